package store

import (
	"context"
	"fmt"
	"strings"
)

// ConditionsInDoubt is implemented by stores whose service may ignore the
// conditions of writes: servers that speak S3 and are not Amazon's. The clouds
// themselves promise them in their documents.
type ConditionsInDoubt interface {
	ConditionsInDoubt() bool
}

// ProbeConditions finds out which conditions the service of s ignores, by
// trying them on an object below ControlPrefix, which it removes again. name
// must not be in use by another probe. The result names what is ignored, and is
// empty where all hold. An error means that the probe could not be made.
func ProbeConditions(ctx context.Context, s Store, name string) (ignored []string, err error) {
	key := ControlPrefix + "probe/" + name
	defer func() {
		derr := s.Delete(context.WithoutCancel(ctx), key, Condition{})
		if err == nil && derr != nil && KindOf(derr) != NotFound {
			err = derr
		}
	}()
	// put reports whether the write was done.
	put := func(body string, cond Condition) (*Object, bool, error) {
		o, err := s.Put(ctx, key, Bytes(body), PutOptions{If: cond})
		if KindOf(err) == Precondition {
			return nil, false, nil
		}
		return o, err == nil, err
	}
	first, ok, err := put("1", IfAbsent())
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, fmt.Errorf("%s is in the way", key)
	}
	if _, done, err := put("22", IfAbsent()); err != nil {
		return nil, err
	} else if done {
		ignored = append(ignored, "If-None-Match on writes")
	}
	if _, _, err := put("333", Condition{}); err != nil {
		return nil, err
	}
	if _, done, err := put("4444", IfMatch(first.Version)); err != nil {
		return nil, err
	} else if done {
		ignored = append(ignored, "If-Match on writes")
	}
	switch err := s.Delete(ctx, key, IfMatch(first.Version)); KindOf(err) {
	case Precondition:
		return ignored, nil
	default:
		if err != nil {
			return nil, err
		}
	}
	// A server may say yes and do nothing, as it should.
	switch _, err := s.Head(ctx, key); {
	case err == nil:
	case KindOf(err) == NotFound:
		ignored = append(ignored, "If-Match on deletes")
	default:
		return nil, err
	}
	return ignored, nil
}

// DoubtConditions probes s if its service is one that may ignore conditions, and
// returns what a user should read about it in one line, or "".
func DoubtConditions(ctx context.Context, s Store, name string) (warning string, err error) {
	d, ok := As[ConditionsInDoubt](s)
	if !ok || !d.ConditionsInDoubt() {
		return "", nil
	}
	ignored, err := ProbeConditions(ctx, s, name)
	if err != nil || len(ignored) == 0 {
		return "", err
	}
	return "the server ignores " + strings.Join(ignored, " and ") +
		": of two changes in one moment the older may stand until its event is done, and an object that someone else writes in that moment may be lost", nil
}
