# Times of single blocks beside those of pairs (-v pairs=TEXT of bench-*.md): rows of the table.
function seconds(text,    t) { split(text, t, " "); return t[1] * (t[2] == "us" ? 1e-6 : t[2] == "ms" ? 1e-3 : 1) }
BEGIN {
  n = split(pairs, lines, "\n")
  for (i = 1; i <= n; i++)
    if (lines[i] ~ /^\| (kernels|sae) /) {
      split(lines[i], c, / *\| */)
      time[c[3], c[4]] = c[6]
    }
}
/^\| (kernels|sae) / {
  split($0, c, / *\| */)
  if (c[3] !~ /^(matmul|linear|head|sae_encode)/ || !((c[3], c[4]) in time) || seconds(time[c[3], c[4]]) == 0) next
  printf "| %s | %s | %s | %s | %.2f |\n", c[3], c[4], time[c[3], c[4]], c[6], seconds(c[6]) / seconds(time[c[3], c[4]])
}
