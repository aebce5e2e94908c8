package demoapp

import (
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
)

// Call is what a hook of crossfade tells, as far as this application minds.
type Call struct {
	Step      string  `json:"step"`      // freeze, switch or unfreeze
	Authority Side    `json:"authority"` // the side to use after the hook
	Epoch     int64   `json:"epoch"`
	Run       string  `json:"run"`
	MaxFreeze float64 `json:"max_freeze"` // in seconds; 0 is without end
	DryRun    bool    `json:"dry_run"`
}

// maxCall bounds the body of a hook, in bytes.
const maxCall = 64 << 10

// Hooks serves the webhooks that move the application: POST with a Call as JSON
// and the token as its bearer.
//
// 204 says that it was followed, or had been before: a hook may come twice.
// freeze is answered when nothing is in flight any more. 409 is a hook that comes
// too late, of an older epoch or for a hold that is over; 400 and 401 are what
// their names say; 503 is a freeze whose caller would not wait. With dry_run
// nothing changes, and the answer is what it would be.
func (s *Sides) Hooks(token string) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /hooks", func(w http.ResponseWriter, r *http.Request) {
		want := "Bearer " + token
		if subtle.ConstantTimeCompare([]byte(r.Header.Get("Authorization")), []byte(want)) != 1 {
			http.Error(w, "not the token of this application", http.StatusUnauthorized)
			return
		}
		var c Call
		if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxCall)).Decode(&c); err != nil {
			http.Error(w, "the hook cannot be read", http.StatusBadRequest)
			return
		}
		if err := c.check(); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		err := s.follow(r, c)
		var refused *Refused
		switch {
		case errors.As(err, &refused):
			http.Error(w, err.Error(), http.StatusConflict)
		case err != nil:
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
		default:
			w.WriteHeader(http.StatusNoContent)
		}
	})
	return mux
}

func (c Call) check() error {
	switch {
	case c.Step != "freeze" && c.Step != "switch" && c.Step != "unfreeze":
		return fmt.Errorf("no step %q: use freeze, switch or unfreeze", c.Step)
	case c.Authority != Source && c.Authority != Target:
		return fmt.Errorf("no authority %q: use source or target", c.Authority)
	case !(c.MaxFreeze >= 0 && c.MaxFreeze <= 86400):
		return fmt.Errorf("max_freeze is %g: use 0 to 86400 seconds", c.MaxFreeze)
	}
	return nil
}

func (s *Sides) follow(r *http.Request, c Call) error {
	if c.DryRun {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.admit(c)
	}
	switch c.Step {
	case "freeze":
		return s.freeze(r.Context(), c)
	case "switch":
		return s.move(c)
	default:
		return s.unfreeze(c)
	}
}
