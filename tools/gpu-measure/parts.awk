# The parts of a measurement as rows of a table; one that was run again counts once, as it ended last.
{
  if (!($1 in line)) order[++n] = $1
  line[$1] = "| " $1 " | " $2 " | " $3 " |"
}
END { for (i = 1; i <= n; i++) print line[order[i]] }
