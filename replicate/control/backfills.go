package control

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/crossfade-io/crossfade/store"
)

// Backfill says that one is under way. It is renewed while it runs; one that is
// not renewed for BackfillStale has died.
type Backfill struct {
	ID       string    `json:"id"`
	Operator string    `json:"operator"`
	Begun    time.Time `json:"begun"`
	Renewed  time.Time `json:"renewed"`
}

// The times between renewals, and until one counts as dead.
const (
	BackfillRenew = 20 * time.Second
	BackfillStale = 3 * BackfillRenew
)

func (d *Documents) backfill(id string) string { return Prefix(d.Migration) + backfillDir + id }

// PutBackfill begins or renews.
func (d *Documents) PutBackfill(ctx context.Context, b Backfill) error {
	return d.put(ctx, d.backfill(b.ID), b)
}

// EndBackfill says that it is over.
func (d *Documents) EndBackfill(ctx context.Context, id string) error {
	return d.store.Delete(ctx, d.backfill(id), store.Condition{})
}

// Backfills returns those that are under way at now, by the clocks of those who
// run them.
func (d *Documents) Backfills(ctx context.Context, now time.Time) ([]Backfill, error) {
	var open []Backfill
	prefix := Prefix(d.Migration) + backfillDir
	for name, err := range d.names(ctx, prefix, prefix) {
		if err != nil {
			return nil, err
		}
		b, _, err := d.read(ctx, name, maxLate)
		if store.KindOf(err) == store.NotFound {
			continue
		}
		if err != nil {
			return nil, err
		}
		var f Backfill
		if err := json.Unmarshal(b, &f); err != nil || f.ID != strings.TrimPrefix(name, prefix) {
			return nil, &store.Error{Op: "control", Key: name, Kind: store.Invalid, Err: errors.New("the note of a backfill is damaged; remove it if none is under way")}
		}
		if now.Sub(f.Renewed) < BackfillStale {
			open = append(open, f)
		}
	}
	return open, nil
}
