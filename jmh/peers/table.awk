# Our times (ours-GROUP-ROUND.md) and those of peers (PEER-GROUP-ROUND.tsv) of several rounds: a table of medians and ratios.
function seconds(text,    t) {
  split(text, t, " ")
  return t[1] * (t[2] == "us" ? 1e-6 : t[2] == "ms" ? 1e-3 : 1)
}
function human(s) {
  return s < 1e-3 ? sprintf("%.3g us", s * 1e6) : s < 1 ? sprintf("%.3g ms", s * 1e3) : sprintf("%.3g s", s)
}
function add(key, s) {
  rounds[key]++
  time[key, rounds[key]] = s
}
# Sorts a key's times; the upper one of two in the middle, as sails bench takes it.
function median(key,    n, i, j, t) {
  n = rounds[key]
  for (i = 2; i <= n; i++)
    for (j = i; j > 1 && time[key, j] < time[key, j - 1]; j--) {
      t = time[key, j]
      time[key, j] = time[key, j - 1]
      time[key, j - 1] = t
    }
  return time[key, int(n / 2) + 1]
}
function noise(key,    m) {
  m = median(key)
  return sprintf("%.0f %%", 50 * (time[key, rounds[key]] - time[key, 1]) / m)
}
FILENAME ~ /\.md$/ && /^\| (kernels|layer|step|sae|decode) / {
  split($0, c, / *\| */)
  key = c[3] SUBSEP c[4]
  if (!(key in rounds)) order[++rows] = key
  add(key, seconds(c[6]))
}
FILENAME ~ /\.tsv$/ {
  split($0, p, "\t")
  key = p[1] SUBSEP p[2]
  peer = FILENAME
  sub(/.*\//, "", peer)
  sub(/-.*/, "", peer)
  variant = peer ", " p[3]
  theirs = key SUBSEP variant
  if (!(theirs in rounds)) variants[key, ++peers[key]] = variant
  add(theirs, p[4])
}
END {
  print "| operation | shape | sails4j | +- | peer | its time | +- | its time / ours |"
  print "|---|---|--:|--:|---|--:|--:|--:|"
  for (i = 1; i <= rows; i++) {
    key = order[i]
    split(key, name, SUBSEP)
    for (v = 1; v <= peers[key]; v++) {
      theirs = key SUBSEP variants[key, v]
      printf "| %s | %s | %s | %s | %s | %s | %s | %.2f |\n", name[1], name[2], human(median(key)), noise(key), variants[key, v],
        human(median(theirs)), noise(theirs), median(theirs) / median(key)
    }
    if (!peers[key]) alone++
  }
  printf "\n%d rows of ours have no peer here.\n", alone
}
