package cutover

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/crossfade-io/crossfade/config"
)

// doer is an *http.Client.
type doer interface {
	Do(*http.Request) (*http.Response, error)
}

// newWebClient returns a client that follows no redirects: the headers are
// meant for the URL that they were declared with.
func newWebClient() *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			Proxy:               http.ProxyFromEnvironment,
			TLSHandshakeTimeout: 10 * time.Second,
			MaxIdleConnsPerHost: 2,
			IdleConnTimeout:     time.Minute,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// The waits between attempts of a webhook, which double.
const (
	webhookPause     = 100 * time.Millisecond
	webhookLongPause = 2 * time.Second
)

// post calls a webhook until it answers 2xx, or something that another attempt
// cannot mend, or ctx ends. It returns the number of attempts.
func (r *runner) post(ctx context.Context, hook config.Hook, call HookCall, out *bounded) (int, error) {
	u, err := webhookURL(hook)
	if err != nil {
		return 0, err
	}
	body, err := json.Marshal(payload{
		Migration: call.Migration, Operation: call.Operation, Step: call.Step, Authority: call.Authority,
		Source: call.Source, Target: call.Target, Epoch: call.Epoch, Run: call.Run,
		MaxFreeze: call.MaxFreeze.Seconds(), DryRun: call.DryRun,
	})
	if err != nil {
		return 0, err
	}
	pause := webhookPause
	for n := 1; ; n++ {
		again, err := r.postOnce(ctx, u, hook, call, body, out)
		if err == nil || !again {
			return n, err
		}
		if r.sleep(ctx, pause) != nil {
			return n, err
		}
		pause = min(2*pause, webhookLongPause)
	}
}

func (r *runner) postOnce(ctx context.Context, u *url.URL, hook config.Hook, call HookCall, body []byte, out *bounded) (again bool, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, u.String(), bytes.NewReader(body))
	if err != nil {
		return false, errors.New("has a URL that cannot be asked")
	}
	for name, value := range hook.Headers {
		req.Header.Set(name, value.Reveal())
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Idempotency-Key", call.IdempotencyKey())
	res, err := r.web.Do(req)
	if err != nil {
		// The client's own error names the URL, which may hold a secret.
		if e, ok := errors.AsType[*url.Error](err); ok {
			err = e.Err
		}
		return true, fmt.Errorf("was not answered: %w", err)
	}
	defer res.Body.Close()
	out.reset()
	io.Copy(out, io.LimitReader(res.Body, maxWebhookAnswer)) //nolint:errcheck // the status is the answer; the body is for people
	switch code := res.StatusCode; {
	case code >= 200 && code < 300:
		return false, nil
	case code >= 300 && code < 400:
		return false, fmt.Errorf("answered %s: redirects are not followed, declare the URL that they lead to", status(res))
	default:
		again = code >= 500 || code == http.StatusTooManyRequests || code == http.StatusRequestTimeout
		return again, fmt.Errorf("answered %s", status(res))
	}
}

// status is the code in known words: the server's own are anything.
func status(res *http.Response) string {
	return fmt.Sprintf("%d %s", res.StatusCode, http.StatusText(res.StatusCode))
}

// webhookURL parses the URL; the error does not show it.
func webhookURL(h config.Hook) (*url.URL, error) {
	u, err := url.Parse(h.Webhook.Reveal())
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Errorf("%s is no http or https URL", h.Webhook)
	}
	return u, nil
}
