package cloudlog

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"time"

	"cloud.google.com/go/compute/metadata"
)

// patience is how long a line waits for the metadata server, which answers in
// milliseconds where there is one.
const patience = time.Second

// Project returns what tells the project that a process runs in, as
// GOOGLE_CLOUD_PROJECT says or else the metadata server. That is asked once,
// when the project is wanted first, by client or a default one.
func Project(lookup func(string) (string, bool), client *http.Client) func(context.Context) string {
	if v, _ := lookup("GOOGLE_CLOUD_PROJECT"); strings.TrimSpace(v) != "" {
		return func(context.Context) string { return strings.TrimSpace(v) }
	}
	var once sync.Once
	var project string
	return func(ctx context.Context) string {
		once.Do(func() {
			// The answer is for all lines to come, whatever becomes of this one.
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
			defer cancel()
			if p, err := metadata.NewClient(client).GetWithContext(ctx, "project/project-id"); err == nil {
				project = strings.TrimSpace(p)
			}
		})
		return project
	}
}
