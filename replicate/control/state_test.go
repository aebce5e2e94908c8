package control_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/crossfade-io/crossfade/replicate/control"
	"github.com/crossfade-io/crossfade/store"
	"github.com/crossfade-io/crossfade/testutil/memstore"
)

// full is a state in which everything is set.
func full() control.State {
	s := following()
	s.Format, s.Migration, s.Revision, s.Writer, s.Epoch = control.Format, "photos", 7, "w", 3
	s.Phase, s.Authority = control.Switched, control.Target
	s.Run = &control.Run{ID: "run-1", Operation: "cutover", Operator: "ann@host", Host: "host", PID: 12, Beat: 9, Strict: true, Started: begun, Announced: begun, FreezeBegan: begun, Thawed: begun, Step: "switched"}
	s.Turn = &control.Turn{Run: "run-1", Epoch: 3, To: control.Target, At: begun, Since: begun, Cut: begun, Born: begun}
	s.Seeded = &control.Seeded{At: begun, Objects: 10}
	s.Comparison = &control.Comparison{At: begun, Seconds: 1.5, Keys: 10, Kind: "full"}
	s.Sweep = &control.Sweep{At: begun, Keys: 10, Repaired: 1}
	s.Note(control.Entry{At: begun, Who: "ann@host", What: "switched", Note: "a <note>"})
	return s
}

func encoded(t testing.TB, s control.State) string {
	t.Helper()
	b, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestParseState(t *testing.T) {
	t.Parallel()
	good := encoded(t, full())
	if s, err := control.ParseState([]byte(good)); err != nil || !reflect.DeepEqual(s, full()) {
		t.Fatalf("%+v, %v", s, err)
	}
	replace := func(old, by string) string {
		bad := strings.Replace(good, old, by, 1)
		if bad == good {
			t.Fatalf("no %s in %s", old, good)
		}
		return bad
	}
	for name, c := range map[string]struct{ doc, want string }{
		"empty":                {"", "is damaged"},
		"cut short":            {good[:len(good)-1], "is damaged"},
		"something follows":    {good + "{}", "is damaged"},
		"an array":             {"[]", "is damaged"},
		"null":                 {"null", "format 0"},
		"newer":                {replace(`"format":1`, `"format":2,"unheard":1`), "has format 2, and this crossfade knows formats up to 1: use the newer one"},
		"no format":            {replace(`"format":1`, `"format":0`), "format 0"},
		"unknown field":        {replace(`"epoch":3`, `"epoch":3,"unheard":1`), "unheard"},
		"bad name":             {replace(`"photos"`, `"Pho/tos"`), "Pho/tos"},
		"same ends":            {replace(`"gs://dst/"`, `"s3://src/"`), "ends"},
		"no source":            {replace(`"s3://src/"`, `""`), "ends"},
		"authority":            {replace(`"authority":"target"`, `"authority":"both"`), `authority "both"`},
		"phase":                {replace(`"phase":"switched"`, `"phase":"melted"`), `phase "melted"`},
		"negative epoch":       {replace(`"epoch":3`, `"epoch":-3`), "epoch -3"},
		"run with a path":      {replace(`"id":"run-1"`, `"id":"../run"`), "../run"},
		"no run where it must": {strings.Replace(encoded(t, following()), `"phase":"following"`, `"phase":"frozen"`, 1), "is damaged"},
	} {
		if _, err := control.ParseState([]byte(c.doc)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

func TestClone(t *testing.T) {
	t.Parallel()
	s := full()
	c := s.Clone()
	if !reflect.DeepEqual(s, c) {
		t.Fatalf("%+v, want %+v", c, s)
	}
	c.Run.Beat, c.Turn.Epoch, c.Seeded.Objects, c.Comparison.Keys, c.Sweep.Keys, c.History[0].Who = 99, 99, 99, 99, 99, "eve"
	if !reflect.DeepEqual(s, full()) {
		t.Errorf("a change of the copy reached %+v", s)
	}
}

func TestHistoryIsBounded(t *testing.T) {
	t.Parallel()
	s := following()
	for i := range control.MaxHistory + 10 {
		s.Note(control.Entry{What: fmt.Sprint(i)})
	}
	if n := len(s.History); n != control.MaxHistory || s.History[0].What != "10" || s.History[n-1].Phase != control.Following {
		t.Errorf("%d entries from %+v to %+v", n, s.History[0], s.History[n-1])
	}
}

func TestValidName(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]bool{
		"photos": true, "p": true, "2026-photos": true, strings.Repeat("a", 40): true,
		"": false, strings.Repeat("a", 41): false, "-p": false, "Photos": false, "a/b": false, "..": false, "a b": false, "é": false,
	} {
		if err := control.ValidName(name); (err == nil) != want {
			t.Errorf("%q: %v", name, err)
		}
		if _, err := control.Open(memstore.Fresh(), name, counter()); (err == nil) != want {
			t.Errorf("opened %q: %v", name, err)
		}
	}
}

func TestStateIsSwapped(t *testing.T) {
	t.Parallel()
	ctx, st := t.Context(), memstore.Fresh()
	d := documents(t, st)
	if _, err := d.Load(ctx); !control.Missing(err) || !strings.Contains(err.Error(), "crossfade init") {
		t.Fatalf("before it is there: %v", err)
	}
	first, err := d.Create(ctx, following())
	if err != nil || first.Format != control.Format || first.Migration != "photos" {
		t.Fatalf("%+v, %v", first, err)
	}
	if _, err := d.Create(ctx, following()); store.KindOf(err) != store.Precondition {
		t.Errorf("created twice: %v", err)
	}
	loaded, err := d.Load(ctx)
	if err != nil {
		t.Fatal(err)
	}
	next := loaded.Clone()
	next.Phase = control.Done
	second, err := d.Swap(ctx, loaded, next)
	if err != nil || second.Revision != first.Revision+1 || second.Writer == first.Writer {
		t.Fatalf("%+v, %v", second, err)
	}
	if _, err := d.Swap(ctx, first, next); store.KindOf(err) != store.Precondition {
		t.Errorf("swapped on an old state: %v", err)
	}
	if now, err := d.Load(ctx); err != nil || !reflect.DeepEqual(now.State, second.State) {
		t.Errorf("%+v, %v, want %+v", now, err, second)
	}
	next.Phase = control.Frozen
	if _, err := d.Swap(ctx, second, next); err == nil || !strings.Contains(err.Error(), "frozen without a run") {
		t.Errorf("wrote a state that nobody could read: %v", err)
	}
}

// A write whose answer is lost is known by its writer; one that was not done,
// or that was followed by another's, is not taken for done.
func TestLostAnswer(t *testing.T) {
	t.Parallel()
	lost := errors.New("connection reset")
	for name, c := range map[string]struct {
		stage memstore.Stage
		other bool
		done  bool
	}{
		"done":                      {memstore.After, false, true},
		"not done":                  {memstore.Before, false, false},
		"another's write came next": {memstore.After, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			st := memstore.Fresh()
			d, held := created(t, st, following())
			next := held.Clone()
			next.Phase = control.Seeding
			st.SetIntercept(func(_ context.Context, op memstore.Op) error {
				if op.Name != "put" || op.Stage != c.stage {
					return nil
				}
				st.SetIntercept(nil)
				if c.other {
					swap(t, d, func(s *control.State) { s.Phase = control.Done })
				}
				return lost
			})
			now, err := d.Swap(t.Context(), held, next)
			if c.done && (err != nil || now.Phase != control.Seeding) || !c.done && !errors.Is(err, lost) {
				t.Fatalf("%+v, %v", now.State, err)
			}
			if c.done {
				swap(t, d, func(s *control.State) { s.Phase = control.Following })
			}
		})
	}
}

func TestLoadRefuses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ doc, want string }{
		"damaged":             {"{", "the control object of photos is damaged"},
		"newer":               {`{"format":9}`, "use the newer one"},
		"another migration's": {strings.Replace(encoded(t, full()), `"photos"`, `"music"`, 1), "is of the migration music"},
		"huge":                {strings.Repeat(" ", 1<<20+1), "no control document"},
	} {
		st := memstore.Fresh()
		if _, err := st.Put(t.Context(), control.StateKey("photos"), store.Bytes(c.doc), store.PutOptions{}); err != nil {
			t.Fatal(err)
		}
		_, err := documents(t, st).Load(t.Context())
		if err == nil || !strings.Contains(err.Error(), c.want) || control.Missing(err) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

func TestReports(t *testing.T) {
	t.Parallel()
	st := memstore.Fresh()
	if err := documents(t, st).PutReport(t.Context(), "run-1", "html", "text/html", []byte("<p>")); err != nil {
		t.Fatal(err)
	}
	if o := st.Bucket().Get(control.ReportKey("photos", "run-1", "html")); o == nil || string(o.Body) != "<p>" || o.ContentType != "text/html" {
		t.Errorf("%+v", o)
	}
}

// Whatever is accepted survives being written again.
func FuzzParseState(f *testing.F) {
	f.Add([]byte(encoded(f, full())))
	f.Add([]byte(encoded(f, following())))
	f.Add([]byte(`{"format":1,"history":null}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := control.ParseState(b)
		if err != nil {
			return
		}
		st := memstore.Fresh()
		d, err := control.Open(st, s.Migration, counter())
		if err != nil {
			t.Fatalf("accepted the name %q: %v", s.Migration, err)
		}
		held, err := d.Create(t.Context(), s)
		if err != nil {
			t.Fatalf("accepted, but not written: %v", err)
		}
		now, err := d.Load(t.Context())
		if err != nil || encoded(t, now.State) != encoded(t, held.State) {
			t.Fatalf("%+v, %v, want %+v", now, err, held)
		}
	})
}

// Which direction may write, in all phases.
func TestMayWrite(t *testing.T) {
	t.Parallel()
	for phase, writes := range map[control.Phase]bool{
		control.Seeding: true, control.Following: true, control.Announced: true, control.Frozen: true,
		control.Switching: false, control.Switched: true, control.Reversed: true, control.Done: false,
	} {
		for _, authority := range []control.Side{control.Source, control.Target} {
			s := control.State{Phase: phase, Authority: authority}
			away, back := control.Away(authority), control.Away(authority.Other())
			if s.MayWrite(away) != writes || s.MayWrite(back) {
				t.Errorf("%s, %s: %s %v, %s %v", phase, authority, away, s.MayWrite(away), back, s.MayWrite(back))
			}
			if away.From() != authority || away.To() != authority.Other() {
				t.Errorf("%s leads from %s to %s", away, away.From(), away.To())
			}
		}
		s := control.State{Phase: phase}
		steady := phase == control.Seeding || phase == control.Following || phase == control.Reversed || phase == control.Done
		if s.Steady() != steady || s.Journals() != (phase == control.Announced || phase == control.Frozen) {
			t.Errorf("%s: steady %v, journals %v", phase, s.Steady(), s.Journals())
		}
	}
}

func TestTurned(t *testing.T) {
	t.Parallel()
	turn := &control.Turn{To: control.Target, At: time.Unix(1, 0)}
	for _, c := range []struct {
		turn      *control.Turn
		authority control.Side
		direction control.Direction
		want      bool
	}{
		{turn, control.Target, control.Reverse, true},
		{turn, control.Target, control.Forward, false},
		{turn, control.Source, control.Reverse, false}, // not yet switched
		{turn, control.Source, control.Forward, false}, // nor undone
		{nil, control.Target, control.Reverse, false},
	} {
		s := control.State{Turn: c.turn, Authority: c.authority}
		if got := s.Turned(c.direction); (got != nil) != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
	s := following()
	if from, to := s.Ends(control.Forward); from != s.Source || to != s.Target {
		t.Errorf("forward from %s to %s", from, to)
	}
	if from, to := s.Ends(control.Reverse); from != s.Target || to != s.Source {
		t.Errorf("reverse from %s to %s", from, to)
	}
}
