package service_test

import (
	"context"
	"errors"
	"net/url"
	"testing"
	"testing/synctest"
	"time"

	"github.com/crossfade-io/crossfade/config"
	"github.com/crossfade-io/crossfade/functions"
	"github.com/crossfade-io/crossfade/functions/service"
	"github.com/crossfade-io/crossfade/store"
	"github.com/crossfade-io/crossfade/testutil/cloudsim"
	"github.com/crossfade-io/crossfade/testutil/memstore"
)

// TestThrottling: a function waits out what passes within its time, and hands
// back at once, with the time to wait, what does not.
func TestThrottling(t *testing.T) {
	t.Parallel()
	for _, x := range []struct {
		name     string
		after    time.Duration
		refusals int
		want     functions.Verdict
		attempts int
	}{
		{"passes", 2 * time.Second, 2, functions.Verdict{Outcome: functions.Ack, Reason: "not on the target"}, 3},
		{"asks for more than there is", 20 * time.Second, 100, functions.Verdict{Outcome: functions.Retry, After: 20 * time.Second, Kind: store.Throttled, Reason: "throttled"}, 1},
	} {
		t.Run(x.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				core, closed := cloudsim.NewCore(nil), 0
				source := core.CreateBucket("photos", false)
				core.CreateBucket("copy", false)
				puts := 0
				s, _ := setup(core, &closed, "CROSSFADE_SOURCE=s3://photos", "CROSSFADE_TARGET=gs://copy", "CROSSFADE_TIMEOUT=20s")
				s.Openers["gs"] = config.Opener(func(_ context.Context, u *url.URL) (store.Store, error) {
					m := memstore.New(core.Bucket(u.Host))
					m.SetIntercept(func(_ context.Context, op memstore.Op) error {
						if op.Name != "put" || op.Stage == memstore.After {
							return nil
						}
						if puts++; puts <= x.refusals {
							return &store.Error{Store: "mem://copy", Kind: store.Throttled, RetryAfter: x.after, Err: errors.New("slow down")}
						}
						return nil
					})
					return m, nil
				})
				svc, err := service.Start(t.Context(), s)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := source.Put(cloudsim.NewObject("k", []byte("body")), cloudsim.Origin{}, nil, nil); err != nil {
					t.Fatal(err)
				}
				began := time.Now()
				v := svc.Processor.Process(t.Context(), []functions.Event{{Bucket: "photos", Key: "k", Created: true}})
				if v[0] != x.want || puts != x.attempts {
					t.Errorf("%+v after %d attempts", v[0], puts)
				}
				waited := time.Duration(x.attempts-1) * x.after
				if took := time.Since(began); took < waited || took > waited+time.Second {
					t.Errorf("took %v of the bubble's time, asked to wait %v", took, waited)
				}
			})
		})
	}
}
