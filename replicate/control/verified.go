package control

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/crossfade-io/crossfade/store"
)

// Verified is what a freeze has compared one by one: of each key that changed
// since the comparison of everything, the versions that were found equal. An
// empty version says that the side had no such key.
type Verified struct {
	Run  string             `json:"run"`
	Keys map[string]EndPair `json:"keys"`
}

// EndPair holds the versions of a key on both sides, and when they were written
// by the clocks of the stores, in seconds since 1970: a version may recur, as on
// S3, with the bytes.
type EndPair struct {
	Source   store.Version `json:"s,omitempty"`
	Target   store.Version `json:"t,omitempty"`
	SourceAt int64         `json:"sa,omitempty"`
	TargetAt int64         `json:"ta,omitempty"`
}

const maxVerified = 1 << 30

func (d *Documents) verified(run string) string {
	return Prefix(d.Migration) + turnDir + run + "/" + verifiedName
}

// PutVerified writes the document of a run. It is there before anyone may write
// in the new direction.
func (d *Documents) PutVerified(ctx context.Context, v Verified) error {
	return d.put(ctx, d.verified(v.Run), v)
}

// Verified reads the document of a run. Kind NotFound where there is none.
func (d *Documents) Verified(ctx context.Context, run string) (Verified, error) {
	b, _, err := d.read(ctx, d.verified(run), maxVerified)
	if err != nil {
		return Verified{}, err
	}
	var v Verified
	if err := json.Unmarshal(b, &v); err != nil || v.Run != run {
		return Verified{}, &store.Error{Op: "control", Key: d.verified(run), Kind: store.Invalid, Err: errors.New("the list of verified keys is damaged")}
	}
	return v, nil
}

// Of returns the version of key that was verified on a side, and whether key was
// among those compared.
func (v Verified) Of(side Side, key string) (store.Version, bool) {
	p, ok := v.Keys[key]
	if side == Target {
		return p.Target, ok
	}
	return p.Source, ok
}

// Is reports whether o, on a side, is just what was verified there.
func (v Verified) Is(side Side, o *store.Object) bool {
	p, ok := v.Keys[o.Key]
	version, at := p.Source, p.SourceAt
	if side == Target {
		version, at = p.Target, p.TargetAt
	}
	return ok && version != "" && version == o.Version && (at == 0 || at == o.ModTime.Unix())
}
