package store

import (
	"context"
	"fmt"
	"log/slog"
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

// WarnOfConditions probes s if its service is one that may ignore conditions, and
// logs in one line what it ignores, or that it could not be found out.
func WarnOfConditions(ctx context.Context, s Store, name string, log *slog.Logger) {
	d, ok := As[ConditionsInDoubt](s)
	if !ok || !d.ConditionsInDoubt() {
		return
	}
	ignored, err := ProbeConditions(ctx, s, name)
	switch {
	case err != nil:
		log.WarnContext(ctx, "could not find out whether the target's server honours the conditions of writes", slog.Any("error", err))
	case len(ignored) > 0:
		log.WarnContext(ctx, "the target's server ignores conditions of writes: of two changes in one moment the older may stand "+
			"until its event is done, and what someone else writes in that moment may be lost",
			slog.String("ignored", strings.Join(ignored, ", ")))
	}
}
