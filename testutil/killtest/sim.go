package killtest

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/crossfade-io/crossfade/testutil/loopback"
)

// Sim is a cloudsimd, see there.
type Sim struct {
	S3, GCS, Admin string
}

// StartSim starts the program at path until the test ends.
func StartSim(t testing.TB, path string, args ...string) *Sim {
	t.Helper()
	in, stop := io.Pipe()
	p := Start(t, []string{"PATH=" + os.Getenv("PATH")}, in, path, args...)
	t.Cleanup(func() { stop.Close() }) //nolint:errcheck // never fails
	for {
		s := new(Sim)
		if json.Unmarshal(p.Stdout.Bytes(), s) == nil {
			return s
		}
		select {
		case <-p.Done():
			t.Fatalf("cloudsimd has ended: %s", p.Stderr.Tail())
		case <-t.Context().Done():
			t.Fatal("cloudsimd does not say where it is")
		case <-time.After(time.Millisecond):
		}
	}
}

// Env is the environment in which the SDKs find the clouds, and nothing of the
// user's own set-up.
func (s *Sim) Env(home string) []string {
	return []string{
		"HOME=" + home, "PATH=" + os.Getenv("PATH"),
		"AWS_ENDPOINT_URL_S3=" + s.S3, "AWS_REGION=us-east-1", "AWS_ACCESS_KEY_ID=key", "AWS_SECRET_ACCESS_KEY=secret",
		"AWS_EC2_METADATA_DISABLED=true",
		"STORAGE_EMULATOR_HOST=" + s.GCS,
	}
}

// Delivered waits until every event was acknowledged.
func (s *Sim) Delivered(ctx context.Context) error {
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.Admin+"/deliveries", nil)
		if err != nil {
			return err
		}
		res, err := loopback.Client().Do(req)
		if err != nil {
			return err
		}
		var all []struct{ Sent, Waiting, InFlight, Dead, Redelivered int }
		err = json.NewDecoder(res.Body).Decode(&all)
		res.Body.Close()
		if err != nil {
			return err
		}
		left := 0
		for _, d := range all {
			left += d.Waiting + d.InFlight
			if d.Dead > 0 {
				return fmt.Errorf("%d events were given up", d.Dead)
			}
		}
		if left == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%d events are not delivered: %w", left, ctx.Err())
		case <-time.After(10 * time.Millisecond):
		}
	}
}
