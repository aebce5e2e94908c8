//go:build servers

package servers

import (
	"context"
	"testing"

	"github.com/crossfade-io/crossfade/testutil/loopback"
)

// Each kind starts, answers and stops, with its data in memory and on disk.
func TestKinds(t *testing.T) {
	for name, startKind := range map[string]func(context.Context, Options) (*Server, error){
		"versitygw": Versitygw, "fake-gcs-server": FakeGCS, "azurite": Azurite, "fauxqs": SQS,
	} {
		for _, onDisk := range []bool{false, true} {
			s, err := startKind(t.Context(), Options{Dir: t.TempDir(), OnDisk: onDisk})
			if err != nil {
				t.Fatal(err)
			}
			if s.Name != name {
				t.Errorf("%s calls itself %s", name, s.Name)
			}
			if onDisk && s.Data == "" && name != "fauxqs" {
				t.Errorf("%s has no data directory", name)
			}
			resp, err := loopback.Client().Get(s.URL + "/")
			if err != nil {
				t.Errorf("%s does not answer: %v", name, err)
			} else {
				resp.Body.Close()
			}
			if err := s.Stop(); err != nil {
				t.Errorf("stopping %s: %v", name, err)
			}
			if !gone(s.PID()) {
				t.Errorf("%s runs on", name)
			}
		}
	}
}
