package report_test

import (
	"time"

	"github.com/crossfade-io/crossfade/cutover/report"
)

var t0 = time.Date(2026, 3, 14, 9, 30, 0, 0, time.UTC)

func ms(n int) time.Time { return t0.Add(time.Duration(n) * time.Millisecond) }

func span(name string, from, to int, note string) report.Span {
	return report.Span{Name: name, Start: ms(from), End: ms(to), Note: note}
}

// lag is a canary every quarter of a second, a little slower under load.
func lag(from, to int) report.Lag {
	var samples []report.LagSample
	for at := from; at < to; at += 250 {
		samples = append(samples, report.LagSample{At: ms(at), MS: int64(180 + at*7919%230 + at/400)})
	}
	return report.Quantiles(samples)
}

// clean is a cutover as it should be, with its sweep.
func clean() report.Report {
	return report.Report{
		Tool: "v1.4.0", Migration: "photos", Source: "s3://photos/", Target: "gs://photos-eu/", Control: "gs://photos-eu/.crossfade/photos/",
		Operation: report.Cutover, Outcome: report.Switched, Phase: "reversed", Operator: "ada@build-7", Run: "20260314T093000Z-5f1c",
		Epoch: 3, EpochAfter: 4, Started: t0, Ended: ms(41_700),
		Phases: []report.Span{
			span("announce", 0, 3_100, "12 functions have seen it"),
			span("wait", 3_100, 18_400, "until every invocation from before had ended"),
			span("compare", 18_400, 40_800, ""),
			span("freeze", 40_800, 40_920, ""),
			span("drain", 40_920, 41_010, ""),
			span("delta", 41_010, 41_060, ""),
			span("switch", 41_060, 41_110, ""),
			span("reverse", 41_110, 41_700, ""),
		},
		Freeze: &report.Freeze{
			Mode: report.FreezeHook, Start: ms(40_800), End: ms(41_110), Seconds: 0.31, Budget: 5,
			Parts: []report.Span{
				span("freeze hook", 40_800, 40_920, ""),
				span("barrier", 40_920, 40_990, "4 of 4 arrived"),
				span("drain", 40_990, 41_010, ""),
				span("delta", 41_010, 41_060, "37 keys"),
				span("switch hook", 41_060, 41_110, ""),
			},
		},
		Hooks: []report.HookRun{
			{Name: "freeze", Kind: report.HookCommand, Start: ms(40_800), Seconds: 0.12, Attempts: 1, Result: report.HookOK, Output: "read-only since 09:30:40\n"},
			{Name: "switch", Kind: report.HookWebhook, Start: ms(41_060), Seconds: 0.05, Attempts: 2, Result: report.HookOK, Output: "502, then 204"},
		},
		Counts: report.Counts{Objects: 1_204_311, Bytes: 3_390_000_000_000, JournalKeys: 37, BarriersSent: 4, BarriersArrived: 4},
		Lag:    lag(0, 41_000),
		Comparisons: []report.Comparison{
			{Kind: report.CompareFull, Start: ms(18_400), Seconds: 22.4, Keys: 1_204_311, Bytes: 3_390_000_000_000, Equal: 1_204_309, Different: 2, Repaired: 2, Examples: []string{"2026/03/a b.jpg", "2026/03/ü.jpg"}},
			{Kind: report.CompareChanged, Start: ms(41_010), Seconds: 0.05, Keys: 37, Bytes: 91_000_000, Equal: 37},
			{Kind: report.CompareSweep, Start: ms(41_700), Seconds: 25, Keys: 1_204_340, Equal: 1_204_330, Extra: 10},
		},
		Sweep: &report.Sweep{Start: ms(41_700), End: ms(66_700), Keys: 1_204_340},
		History: []report.Event{
			{At: t0, Who: "ada@build-7", What: "announced", Phase: "following", Epoch: 3},
			{At: ms(40_800), Who: "ada@build-7", What: "froze", Phase: "frozen", Epoch: 3},
			{At: ms(41_110), Who: "ada@build-7", What: "switched", Phase: "switched", Epoch: 4},
			{At: ms(41_700), Who: "ada@build-7", What: "reversed", Phase: "reversed", Epoch: 4, Note: "the way back is open"},
		},
		Hashes: map[string]string{"configuration": "sha256:6b1d0a", "state": "sha256:9e42c7"},
	}
}

// aborted is a cutover that took too long and gave up.
func aborted() report.Report {
	r := clean()
	r.Outcome, r.Phase, r.EpochAfter = report.Aborted, "following", 3
	r.Reason = "the freeze took longer than max_freeze (2 s): a barrier of shard 3 had not arrived"
	r.Remedy = "look at the queue of the functions, then run crossfade cutover again"
	r.Phases = append(r.Phases[:3:3], span("freeze", 40_800, 42_900, "aborted"), span("unfreeze", 42_900, 43_000, ""))
	r.Ended = ms(43_000)
	r.Freeze = &report.Freeze{
		Mode: report.FreezeS3Policy, Start: ms(40_800), End: ms(43_000), Seconds: 2.2, Budget: 2,
		Parts: []report.Span{span("policy", 40_800, 41_300, "denied, and refused a probe"), span("barrier", 41_300, 42_900, "3 of 4 arrived"), span("unfreeze", 42_900, 43_000, "")},
	}
	r.Hooks, r.Sweep = nil, nil
	r.Comparisons = r.Comparisons[:1]
	r.Counts.BarriersArrived = 3
	r.History = append(r.History[:2:2], report.Event{At: ms(43_000), Who: "ada@build-7", What: "aborted", Phase: "following", Epoch: 3, Note: r.Reason})
	r.Lag = lag(0, 2_000)
	r.Lag.Samples = append(r.Lag.Samples, report.LagSample{At: ms(42_000), MS: 60_000, Lost: true})
	r.Lag = report.Quantiles(r.Lag.Samples)
	return r
}

// rollback is strict, resumed once, and keeps a late write.
func rollback() report.Report {
	r := clean()
	r.Operation, r.Strict, r.Resumed, r.Phase = report.Rollback, true, 1, "following"
	r.Epoch, r.EpochAfter = 4, 5
	r.Comparisons = []report.Comparison{{Kind: report.CompareStrict, Start: ms(41_010), Seconds: 0.05, Keys: 8_200, Bytes: 64_000_000, Equal: 8_200, Checksum: true}}
	r.Counts = report.Counts{Objects: 8_200, Bytes: 64_000_000, BarriersSent: 1, BarriersArrived: 1, LateKept: 1}
	r.Sweep = &report.Sweep{Start: ms(41_700), End: ms(43_000), Keys: 8_203, Dropped: 2, Repaired: 2, Undone: 1, Kept: 1, Examples: []string{"in/00017"}}
	r.Notes = []string{"The lag was over the threshold of 2 s, and --force passed over it."}
	return r
}

// hostile has in every text what must not get through.
func hostile() report.Report {
	const evil = "<script>alert(1)</script>\"'><img src=https://evil.example/x onerror=y>{{.}}\x1b[2J\x00\u202egnp.exe\u2066\xff</title></style>&#x3c;"
	var long string
	for len(long) < 9_000 {
		long += evil
	}
	s := report.Span{Name: evil, Start: ms(10), End: ms(5), Note: evil}
	r := report.Report{
		Tool: evil, Migration: evil, Source: evil, Target: long, Control: evil, Operation: evil, Outcome: evil, Reason: long, Remedy: evil,
		Phase: evil, Operator: long, Run: evil, Epoch: -3, Started: time.Date(-5, 1, 1, 0, 0, 0, 0, time.UTC), Ended: time.Date(12026, 1, 1, 0, 0, 0, 0, time.UTC),
		Freeze: &report.Freeze{Mode: evil, Start: t0, Seconds: -1, Parts: []report.Span{s, {Name: "open", Start: t0}}},
		Sweep:  &report.Sweep{Examples: []string{evil, long}},
		Notes:  []string{evil}, Hashes: map[string]string{evil: long}, Omitted: map[string]int64{evil: -1, "x": 1 << 62},
	}
	r.Hooks = []report.HookRun{{Name: long, Kind: evil, Start: t0, Result: evil, Output: long}}
	for i := range 1_100 {
		r.Lag.Samples = append(r.Lag.Samples, report.LagSample{At: t0, MS: -1}, report.LagSample{At: ms(1 << 40), MS: 1 << 62})
		if i < 310 {
			r.History = append(r.History, report.Event{At: t0, Who: evil, What: evil, Phase: evil, Note: evil})
		}
		if i < 110 {
			r.Phases, r.Freeze.Parts = append(r.Phases, s), append(r.Freeze.Parts, s)
		}
		if i < 60 {
			r.Hooks = append(r.Hooks, report.HookRun{Name: evil, Kind: evil, Start: t0, Result: evil, Output: evil})
			r.Comparisons = append(r.Comparisons, report.Comparison{Kind: evil, Missing: 1 << 62, Different: 1 << 62, Examples: []string{evil}})
		}
	}
	r.Comparisons[0].Examples = []string{long, evil}
	return r
}
