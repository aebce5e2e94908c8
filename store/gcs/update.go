package gcs

import (
	"context"
	"errors"
	"time"

	"cloud.google.com/go/storage"
	gax "github.com/googleapis/gax-go/v2"
	rawstorage "google.golang.org/api/storage/v1"

	"github.com/crossfade-io/crossfade/store"
)

// updateRounds bounds an update without a condition that meets other writers.
const updateRounds = 5

// UpdateMetadata replaces all attributes, in a request to see them and one to
// change them. A patch leaves entries of metadata that it does not name, so
// those that have to go are named, which the SDK's Update cannot do.
func (s *Store) UpdateMetadata(ctx context.Context, key string, attrs store.Attrs, cond store.Condition) (*store.Object, error) {
	name, err := s.name("update", key)
	if err != nil {
		return nil, err
	}
	want, bound := conditions(cond.Match)
	if cond.Absent || cond.Match != "" && !bound {
		return nil, s.unmet("update", key, errForeignVersion)
	}
	resource, err := s.raw("", attrs)
	if err != nil {
		return nil, &store.Error{Op: "update", Store: s.id, Key: key, Kind: store.Invalid, Err: err}
	}
	for attempt := 1; ; attempt++ {
		cur, err := s.handle.Object(name).Attrs(ctx)
		if err != nil {
			return nil, s.fail("update", key, err)
		}
		if bound && (cur.Generation != want.GenerationMatch || cur.Metageneration != want.MetagenerationMatch) {
			return nil, s.unmet("update", key, errors.New("the object is another version"))
		}
		changed, err := s.patch(ctx, name, *resource, cur)
		if err == nil {
			if changed.TimeCreated == "" { // fake-gcs-server leaves it out
				changed.TimeCreated = cur.Created.Format(time.RFC3339Nano)
			}
			o, err := s.rawObject(changed)
			if err != nil {
				return nil, s.fail("update", key, err)
			}
			return o, nil
		}
		e := s.fail("update", key, err)
		if bound || e.Kind != store.Precondition || attempt == updateRounds {
			return nil, e
		}
	}
}

// patch changes cur, and only cur, into resource.
func (s *Store) patch(ctx context.Context, name string, resource rawstorage.Object, cur *storage.ObjectAttrs) (*rawstorage.Object, error) {
	for field, v := range map[string]string{
		"CacheControl": resource.CacheControl, "ContentEncoding": resource.ContentEncoding,
		"ContentDisposition": resource.ContentDisposition, "ContentLanguage": resource.ContentLanguage,
	} {
		if v == "" {
			resource.NullFields = append(resource.NullFields, field)
		}
	}
	if len(resource.Metadata) == 0 {
		resource.Metadata = nil
		resource.NullFields = append(resource.NullFields, "Metadata")
	} else {
		for k := range cur.Metadata {
			if _, stays := resource.Metadata[k]; !stays {
				resource.NullFields = append(resource.NullFields, "Metadata."+k)
			}
		}
	}
	pause := gax.Backoff{Initial: s.opts.Backoff, Max: 25 * s.opts.Backoff, Multiplier: 2}
	for attempt := 1; ; attempt++ {
		o, err := s.client.raw.Objects.Patch(s.bucket, name, &resource).Context(ctx).Projection("noAcl").
			IfGenerationMatch(cur.Generation).IfMetagenerationMatch(cur.Metageneration).Do()
		if err == nil || !storage.ShouldRetry(err) || attempt == s.opts.Attempts {
			return o, err
		}
		if serr := gax.Sleep(ctx, pause.Pause()); serr != nil {
			return nil, errors.Join(serr, err)
		}
	}
}
