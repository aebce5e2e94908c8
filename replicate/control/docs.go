package control

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/crossfade-io/crossfade/store"
)

// Documents are those of one migration in its control store.
type Documents struct {
	Migration string
	store     store.Store
	random    func() string
}

// Open returns the documents of migration in st, which remains the caller's to
// close. random returns texts that do not recur, such as crypto/rand.Text.
func Open(st store.Store, migration string, random func() string) (*Documents, error) {
	if err := ValidName(migration); err != nil {
		return nil, err
	}
	return &Documents{Migration: migration, store: st, random: random}, nil
}

// Held is a State as it was read, and what the next write is bound to.
type Held struct {
	State
	version store.Version
}

// Load reads the control object. Kind NotFound where there is none, Invalid
// where it cannot be understood.
func (d *Documents) Load(ctx context.Context) (Held, error) {
	body, obj, err := d.read(ctx, StateKey(d.Migration), maxState)
	if err != nil {
		if store.KindOf(err) == store.NotFound {
			return Held{}, d.fail(store.NotFound, errors.New("is missing: create it with crossfade init, or give the control URL that the migration was begun with"))
		}
		return Held{}, err
	}
	s, err := ParseState(body)
	if err != nil {
		return Held{}, d.fail(store.Invalid, err)
	}
	if s.Migration != d.Migration {
		return Held{}, d.fail(store.Invalid, fmt.Errorf("is of the migration %s", s.Migration))
	}
	return Held{s, obj.Version}, nil
}

// Create writes the first control object. Kind Precondition where there is one.
func (d *Documents) Create(ctx context.Context, s State) (Held, error) {
	return d.write(ctx, s, store.IfAbsent())
}

// Swap writes next in the place of held. Kind Precondition where somebody else
// has written meanwhile.
func (d *Documents) Swap(ctx context.Context, held Held, next State) (Held, error) {
	next.Revision = held.Revision + 1
	return d.write(ctx, next, store.IfMatch(held.version))
}

func (d *Documents) write(ctx context.Context, s State, cond store.Condition) (Held, error) {
	s.Format, s.Migration, s.Writer = Format, d.Migration, d.random()
	b, err := s.encode()
	if err != nil {
		return Held{}, d.fail(store.Invalid, fmt.Errorf("would not be valid: %w", err))
	}
	obj, err := d.store.Put(ctx, StateKey(d.Migration), store.Bytes(b), store.PutOptions{If: cond, Attrs: jsonAttrs})
	if err == nil {
		return Held{s, obj.Version}, nil
	}
	// The write may have been done and its answer lost; a second try of it by
	// the client is then refused by its own first.
	now, lerr := d.Load(ctx)
	if lerr == nil && now.Writer == s.Writer {
		return now, nil
	}
	return Held{}, err
}

var jsonAttrs = store.Attrs{ContentType: "application/json", CacheControl: "no-store"}

func (d *Documents) fail(kind store.Kind, err error) error {
	return &store.Error{Op: "control", Key: StateKey(d.Migration), Kind: kind, Err: fmt.Errorf("the control object of %s %w", d.Migration, err)}
}

// read returns a whole small object.
func (d *Documents) read(ctx context.Context, key string, limit int64) ([]byte, *store.Object, error) {
	return readWhole(ctx, d.store, key, limit)
}

// readTries bounds how often an object is read that does not arrive as it is
// stored: a flipped bit in a number would not be noticed otherwise.
const readTries = 3

// readWhole returns a small object once its bytes are those that its store has
// checksums of. Kind TooLarge above limit bytes, Corrupt where it never arrives
// whole.
func readWhole(ctx context.Context, st store.Store, key string, limit int64) ([]byte, *store.Object, error) {
	for n := 1; ; n++ {
		b, obj, err := readOnce(ctx, st, key, limit)
		if store.KindOf(err) != store.Corrupt || n == readTries {
			return b, obj, err
		}
	}
}

func readOnce(ctx context.Context, st store.Store, key string, limit int64) ([]byte, *store.Object, error) {
	r, err := st.Open(ctx, key, store.ReadOptions{})
	if err != nil {
		return nil, nil, err
	}
	defer r.Body.Close()
	fail := func(kind store.Kind, format string, args ...any) ([]byte, *store.Object, error) {
		return nil, nil, &store.Error{Op: "control", Key: key, Kind: kind, Err: fmt.Errorf(format, args...)}
	}
	if r.Size > limit {
		return fail(store.TooLarge, "%d bytes are no control document", r.Size)
	}
	b, err := io.ReadAll(io.LimitReader(r.Body, limit+1))
	if err != nil {
		return nil, nil, err
	}
	if int64(len(b)) != r.Size {
		return fail(store.Corrupt, "%d of %d bytes were read", len(b), r.Size)
	}
	if differ := store.ChecksumsOf(b, r.Checksums).Differ(r.Checksums); differ != "" {
		return fail(store.Corrupt, "what was read has another %s than what is stored", differ)
	}
	return b, &r.Object, nil
}

// put writes a document that is nobody else's.
func (d *Documents) put(ctx context.Context, key string, v any) error {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return err
	}
	_, err := d.store.Put(ctx, key, store.Bytes(b.Bytes()), store.PutOptions{Attrs: jsonAttrs})
	return err
}

// PutReport keeps one form of a run's report.
func (d *Documents) PutReport(ctx context.Context, run, ext, contentType string, body []byte) error {
	_, err := d.store.Put(ctx, ReportKey(d.Migration, run, ext), store.Bytes(body), store.PutOptions{Attrs: store.Attrs{ContentType: contentType}})
	return err
}
