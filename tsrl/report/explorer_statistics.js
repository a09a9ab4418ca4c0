"use strict";
// What tsrl.evaluate.compare computes, for whatever the reader has chosen: average ranks, tests, groups.
const Statistics = (() => {
  // Ranks of numbers, 1 the smallest; equal ones share their mean.
  function ranked(values) {
    const order = values.map((_, i) => i).sort((a, b) => values[a] - values[b]), ranks = Array(values.length);
    for (let i = 0, end; i < order.length; i = end) {
      for (end = i + 1; end < order.length && values[order[end]] === values[order[i]]; end++);
      for (let j = i; j < end; j++) ranks[order[j]] = (i + 1 + end) / 2;
    }
    return ranks;
  }

  // To 12 digits of the scale: 0.9 - 0.8 and 0.8 - 0.7 are one difference, not two.
  const rounded = (value, scale) => Math.round(value * 10 ** (12 - Math.ceil(Math.log10(scale > 0 ? scale : 1))));

  const largest = (values) => values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);

  // scores: a row a data set, a column a line. Mean rank of each line, 1 is best.
  function averageRanks(scores, higher) {
    const sums = scores[0].map(() => 0);
    for (const row of scores) {
      const scale = largest(row);
      ranked(row.map((value) => rounded(higher ? -value : value, scale))).forEach((rank, i) => (sums[i] += rank));
    }
    return sums.map((sum) => sum / scores.length);
  }

  // Numerical Recipes' erfcc: relative error below 1.2e-7.
  function erfc(x) {
    const t = 1 / (1 + x / 2);
    const c = [0.17087277, -0.82215223, 1.48851587, -1.13520398, 0.27886807, -0.18628806, 0.09678418, 0.37409196, 1.00002368];
    return t * Math.exp(-x * x - 1.26551223 + c.reduce((sum, term) => sum * t + term, 0) * t);
  }

  // Two-sided p of Wilcoxon's signed-rank test of paired numbers, zeros by Pratt's rule. Exact for up to 13 pairs, and
  // up to 50 without ties and zeros; beyond that the normal approximation, as scipy does.
  function wilcoxon(a, b) {
    const scale = Math.max(largest(a), largest(b)), n = a.length;
    const d = a.map((value, i) => rounded(value - b[i], scale));
    if (!d.some((value) => value)) return 1;
    const ranks = ranked(d.map(Math.abs)), zeros = d.filter((value) => !value).length;
    const counts = new Map();
    d.forEach((value) => counts.set(Math.abs(value), (counts.get(Math.abs(value)) || 0) + 1));
    const tied = [...counts.values()].some((count) => count > 1);
    const plus = d.reduce((sum, value, i) => sum + (value > 0 ? ranks[i] : 0), 0);
    let p;
    if (n <= 13 || (n <= 50 && !tied && !zeros)) {
      // Ways to reach each sum of twice the ranks; shares, so that nothing overflows.
      let shares = [1];
      d.forEach((value, i) => {
        if (!value) return;
        const step = 2 * ranks[i], next = Array(shares.length + step).fill(0);
        shares.forEach((share, sum) => {
          next[sum] += share / 2;
          next[sum + step] += share / 2;
        });
        shares = next;
      });
      const at = 2 * plus, tail = (from, to) => shares.slice(from, to).reduce((sum, share) => sum + share, 0);
      p = Math.min(1, 2 * Math.min(tail(0, at + 1), tail(at)));
    } else {
      const mean = (n * (n + 1) - zeros * (zeros + 1)) / 4;
      let spread = n * (n + 1) * (2 * n + 1) - zeros * (zeros + 1) * (2 * zeros + 1);
      counts.forEach((count, value) => (spread -= value ? (count ** 3 - count) / 2 : 0));
      p = erfc(Math.abs(plus - mean) / Math.sqrt(spread / 24) / Math.SQRT2);
    }
    // No p-value is below that of equal signs throughout.
    return Math.max(p, 2 ** (1 - n));
  }

  // p-values of every pair after Holm's correction.
  function adjusted(scores) {
    const columns = scores[0].map((_, i) => scores.map((row) => row[i])), pairs = [];
    for (let i = 0; i < columns.length; i++)
      for (let j = i + 1; j < columns.length; j++) pairs.push([wilcoxon(columns[i], columns[j]), i, j]);
    const found = columns.map(() => columns.map(() => 1));
    let before = 0;
    pairs.sort((a, b) => a[0] - b[0]).forEach(([p, i, j], place) => {
      before = Math.min(1, Math.max(before, p * (pairs.length - place)));
      found[i][j] = found[j][i] = before;
    });
    return found;
  }

  // Groups of neighbours in rank of which no two differ, and which are not within a larger one.
  function cliques(ranks, p, alpha) {
    const order = ranks.map((_, i) => i).sort((a, b) => ranks[a] - ranks[b]), groups = [];
    let reached = 0;
    for (let start = 0; start < order.length; start++) {
      let end = start + 1;
      while (end < order.length && order.slice(start, end).every((i) => p[i][order[end]] > alpha)) end++;
      if (end > Math.max(reached, start + 1)) {
        groups.push(order.slice(start, end));
        reached = end;
      }
    }
    return groups;
  }

  // The most scores that make a full table: has[i] says for each column whether line i has a score there.
  function block(has) {
    let best = { lines: [], columns: [] };
    const sets = new Map(), add = (set) => sets.set(set.join(), set);
    const few = has.length <= 80 ? has : has.slice(0, 80);
    const own = few.map((row) => row.flatMap((seen, j) => (seen ? [j] : [])));
    own.forEach((set, i) => own.slice(i).forEach((other) => {
      const inside = new Set(other);
      add(set.filter((j) => inside.has(j)));
    }));
    for (const columns of sets.values()) {
      if (columns.length < 2) continue;
      const lines = has.flatMap((row, i) => (columns.every((j) => row[j]) ? [i] : []));
      if (lines.length > 1 && lines.length * columns.length > best.lines.length * best.columns.length)
        best = { lines, columns };
    }
    return best;
  }

  return { ranked, averageRanks, wilcoxon, adjusted, cliques, block };
})();
