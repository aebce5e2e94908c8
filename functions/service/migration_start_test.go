package service_test

import (
	"context"
	"crypto/rand"
	"net/url"
	"strings"
	"testing"

	"github.com/crossfade-io/crossfade/functions"
	"github.com/crossfade-io/crossfade/functions/service"
	"github.com/crossfade-io/crossfade/replicate/control"
	"github.com/crossfade-io/crossfade/store"
	"github.com/crossfade-io/crossfade/testutil/cloudsim"
	"github.com/crossfade-io/crossfade/testutil/memstore"
)

// What is known of the migration at the start is logged; that nothing is, is no
// reason not to start; that it is about other stores is.
func TestMigrationAtStart(t *testing.T) {
	t.Parallel()
	state := func(source, target string) control.State {
		return control.State{Source: source, Target: target, Phase: control.Following, Authority: control.Source}
	}
	const unknown = `"level":"ERROR","msg":"the state of the migration is not known`
	for _, c := range []struct {
		name    string
		at      string // the bucket that has the state
		state   control.State
		environ []string
		fails   string
		logs    string
	}{
		{"missing", "", control.State{}, nil, "", unknown},
		{"there", "copy", state("s3://photos/", "gs://copy/"), nil, "", `"phase":"following"`},
		{"there, at its own place", "state", state("s3://photos/", "gs://copy/"), []string{"CROSSFADE_CONTROL=gs://state"}, "", `"phase":"following"`},
		{"at another place", "copy", state("s3://photos/", "gs://copy/"), []string{"CROSSFADE_CONTROL=gs://state"}, "", unknown},
		{"of other stores", "copy", state("s3://photos/", "gs://other/"), nil, "copies forward from s3://photos/ to gs://other/, not from s3://photos/ to gs://copy/", ""},
		{
			"of the other direction", "state", state("s3://photos/", "gs://copy/"),
			[]string{"CROSSFADE_DIRECTION=reverse", "CROSSFADE_CONTROL=gs://state"},
			"copies reverse from gs://copy/ to s3://photos/, not from s3://photos/ to gs://copy/", "",
		},
		{"no control store", "", control.State{}, []string{"CROSSFADE_CONTROL=gs://absent"}, "CROSSFADE_CONTROL: opening gs://absent/", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			core, closed := cloudsim.NewCore(nil), 0
			core.CreateBucket("photos", false)
			core.CreateBucket("state", false)
			core.CreateBucket("copy", false)
			if c.at != "" {
				docs, err := control.Open(memstore.New(core.Bucket(c.at)), "photos", rand.Text)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := docs.Create(t.Context(), c.state); err != nil {
					t.Fatal(err)
				}
			}
			s, out := setup(core, &closed, append([]string{"CROSSFADE_SOURCE=s3://photos", "CROSSFADE_TARGET=gs://copy", "CROSSFADE_MIGRATION=photos"}, c.environ...)...)
			svc, err := service.Start(t.Context(), s)
			if c.fails != "" || err != nil {
				if err == nil || c.fails == "" || !strings.Contains(err.Error(), c.fails) {
					t.Errorf("%v, want %q", err, c.fails)
				}
				return
			}
			if !strings.Contains(out.String(), c.logs) {
				t.Errorf("said %s, want %s", out, c.logs)
			}
			v := svc.Processor.Process(t.Context(), []functions.Event{{Bucket: "photos", Key: "k"}})[0]
			if known := strings.Contains(c.logs, "phase"); known != (v.Outcome == functions.Ack) || !known && v.Outcome != functions.Retry {
				t.Errorf("%+v", v)
			}
			if err := svc.Close(); err != nil || closed != 3 {
				t.Errorf("%d stores closed, %v", closed, err)
			}
		})
	}
}

// The fence stands before the target itself: a Sync that was under way at the
// switch does not write.
func TestMigrationFence(t *testing.T) {
	t.Parallel()
	core, closed := cloudsim.NewCore(nil), 0
	source := memstore.New(core.CreateBucket("photos", false))
	target := core.CreateBucket("copy", false)
	docs, err := control.Open(memstore.New(target), "photos", rand.Text)
	if err != nil {
		t.Fatal(err)
	}
	held, err := docs.Create(t.Context(), control.State{
		Source: "s3://photos/", Target: "gs://copy/", Phase: control.Announced, Authority: control.Source, Run: &control.Run{ID: "run-1"},
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := source.Put(t.Context(), "k", store.Bytes("body"), store.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	s, _ := setup(core, &closed, "CROSSFADE_SOURCE=s3://photos", "CROSSFADE_TARGET=gs://copy", "CROSSFADE_MIGRATION=photos")
	s.Openers["s3"] = func(context.Context, *url.URL) (store.Store, error) { return source, nil }
	svc, err := service.Start(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	defer svc.Close()
	source.SetIntercept(func(_ context.Context, op memstore.Op) error {
		if op.Name != "read" || op.Stage != memstore.After {
			return nil
		}
		source.SetIntercept(nil)
		next := held.Clone()
		next.Phase = control.Switching
		_, err := docs.Swap(t.Context(), held, next)
		return err
	})
	v := svc.Processor.Process(t.Context(), []functions.Event{{Bucket: "photos", Key: "k", Created: true}})[0]
	if v.Outcome != functions.Retry || v.Kind != store.Unavailable || target.Get("k") != nil {
		t.Errorf("%+v, wrote %v", v, target.Get("k") != nil)
	}
}
