// The console's reading of /metrics, and its percentiles of the last seconds.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { between, histogramsOf, parseMetrics, quantile, samplesIn } from '../../clients/console/metrics.js';

test('samples have names, labels and values, whatever stands in a label', () => {
  const samples = parseMetrics('# HELP a b\n# TYPE a counter\na_total 3\nlink_up{peer="b\\"e,}e",x="1"} 0\nh_bucket{le="+Inf"} 7\n\n');
  assert.deepEqual(samples, [
    { name: 'a_total', labels: {}, value: 3 },
    { name: 'link_up', labels: { peer: 'b"e,}e', x: '1' }, value: 0 },
    { name: 'h_bucket', labels: { le: '+Inf' }, value: 7 },
  ]);
});

const buckets = (...counts) => [[0.001, counts[0]], [0.01, counts[1]], [Infinity, counts[2]]];

test('histograms are found by stage', () => {
  const text = 's_bucket{stage="publish",le="0.01"} 2\ns_bucket{stage="publish",le="0.001"} 1\ns_bucket{stage="publish",le="+Inf"} 3\ns_count{stage="publish"} 3\n';
  assert.deepEqual(histogramsOf(parseMetrics(text), 's', 'stage'), { publish: buckets(1, 2, 3) });
});

test('what lies between two readings, also when the node was started anew', () => {
  assert.deepEqual(between(buckets(1, 2, 3), buckets(4, 6, 9)), buckets(3, 4, 6));
  assert.deepEqual(between(buckets(10, 20, 30), buckets(1, 2, 3)), buckets(1, 2, 3));
  assert.deepEqual(between(undefined, buckets(1, 2, 3)), buckets(1, 2, 3));
});

test('quantiles lie within the bucket that holds them', () => {
  assert.equal(samplesIn(buckets(0, 0, 0)), 0);
  assert.ok(Number.isNaN(quantile(buckets(0, 0, 0), 0.5)));
  assert.ok(Math.abs(quantile(buckets(100, 100, 100), 0.5) - 0.0005) < 1e-9);
  const half = quantile(buckets(0, 100, 100), 0.5);
  assert.ok(half > 0.001 && half < 0.01, String(half));
  assert.equal(quantile(buckets(0, 0, 10), 0.5), 0.01, 'beyond the last bound nothing is known but that');
  assert.ok(quantile(buckets(90, 99, 100), 0.99) <= 0.01);
});
