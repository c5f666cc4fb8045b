# Our times (bench-*.md) joined with PyTorch's (-v peers=FILE of operation, shape, variant, seconds): rows of the table.
function seconds(text) {
  split(text, t, " ")
  return t[1] * (t[2] == "us" ? 1e-6 : t[2] == "ms" ? 1e-3 : 1)
}
function human(s) {
  return s < 1e-3 ? sprintf("%.3g us", s * 1e6) : s < 1 ? sprintf("%.3g ms", s * 1e3) : sprintf("%.3g s", s)
}
function row(operation, shape, ours, share,    key, n, i, variants) {
  key = operation SUBSEP shape
  if (!(key in found)) {
    printf "| %s | %s | %s | %s | | | |\n", operation, shape, human(ours), share
    return
  }
  n = split(found[key], variants, SUBSEP)
  for (i = 1; i <= n; i++)
    printf "| %s | %s | %s | %s | %s | %s | %.2f |\n", operation, shape, human(ours), share, human(time[key, variants[i]]), variants[i],
      time[key, variants[i]] / ours
}
BEGIN {
  while ((getline line < peers) > 0) {
    split(line, p, "\t")
    key = p[1] SUBSEP p[2]
    if (key in found) found[key] = found[key] SUBSEP p[3]
    else found[key] = p[3]
    time[key, p[3]] = p[4]
  }
}
/^\| (kernels|layer|step|decode|sae) / {
  split($0, c, / *\| */)
  ours = seconds(c[6])
  row(c[3], c[4], ours, c[9])
  # Encoding and decoding together, as the peers also do it.
  if (c[3] == "sae_encode" && c[4] ~ /, JumpReLU$/) encode[substr(c[4], 1, index(c[4], ",") - 1)] = ours
  if (c[3] == "sae_decode") {
    width = substr(c[4], 1, index(c[4], ",") - 1)
    if (width in encode) row("sae_encode + sae_decode", width, encode[width] + ours, "")
  }
}
