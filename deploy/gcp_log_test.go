package deploy_test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"testing"
	"time"

	"github.com/crossfade-io/crossfade/functions"
	"github.com/crossfade-io/crossfade/functions/telemetry/cloudlog"
	"github.com/crossfade-io/crossfade/replicate"
)

// copied is a Syncer that has copied.
type copied struct{}

func (copied) Sync(context.Context, string, replicate.Hint) (replicate.Result, error) {
	return replicate.Result{Action: replicate.Copy, Bytes: 1, Attempts: 1}, nil
}

// loggedEvent is the line that a function on Cloud Run writes of an event.
func loggedEvent(t testing.TB) map[string]any {
	t.Helper()
	var out bytes.Buffer
	p, err := functions.New(copied{}, functions.Options{Bucket: "photos", Now: time.Now, Log: slog.New(cloudlog.New(&out, cloudlog.Options{}))})
	if err != nil {
		t.Fatal(err)
	}
	p.Process(t.Context(), []functions.Event{{Bucket: "photos", Key: "k", Time: time.Now()}})
	line := map[string]any{}
	if err := json.Unmarshal(out.Bytes(), &line); err != nil {
		t.Fatal(err)
	}
	return line
}
