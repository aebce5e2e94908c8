package demo

import (
	"context"
	"errors"
	"io"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/crossfade-io/crossfade/testutil/cloudsim"
	"github.com/crossfade-io/crossfade/testutil/loopback"
)

func TestQuantiles(t *testing.T) {
	t.Parallel()
	if q := quantiles(nil); q != (Quantiles{}) {
		t.Errorf("of nothing: %+v", q)
	}
	hundred := make([]time.Duration, 100)
	for i := range hundred {
		hundred[i] = time.Duration(100 - i)
	}
	if q := quantiles(hundred); q != (Quantiles{50, 99, 100}) {
		t.Errorf("of 1 to 100: %+v", q)
	}
	rapid.Check(t, func(t *rapid.T) {
		ints := rapid.SliceOfN(rapid.IntRange(0, 1000), 1, 300).Draw(t, "lags")
		d := make([]time.Duration, len(ints))
		for i, v := range ints {
			d[i] = time.Duration(v)
		}
		q := quantiles(d)
		atMost := func(limit time.Duration) int {
			n := 0
			for _, v := range d {
				if v <= limit {
					n++
				}
			}
			return n
		}
		if 2*atMost(q.P50) < len(d) || 2*atMost(q.P50-1) >= len(d) {
			t.Fatalf("p50 %d of %v", q.P50, d)
		}
		if 100*atMost(q.P99) < 99*len(d) || 100*atMost(q.P99-1) >= 99*len(d) || atMost(q.Max) != len(d) {
			t.Fatalf("p99 %d, max %d of %v", q.P99, q.Max, d)
		}
	})
}

func TestLagsCountAChangeOnce(t *testing.T) {
	t.Parallel()
	at := time.Unix(100, 0)
	var l lags
	l.expect(1)
	l.expect(2)
	l.expect(4)
	l.acked(cloudsim.Message{Sequence: 3, Committed: at}, at.Add(99)) // not the application's
	l.acked(cloudsim.Message{Sequence: 1, Committed: at}, at.Add(5))
	l.acked(cloudsim.Message{Sequence: 1, Committed: at}, at.Add(9)) // its second event
	l.acked(cloudsim.Message{Sequence: 1, Committed: at, Copy: 1}, at.Add(900))
	l.acked(cloudsim.Message{Sequence: 2, Committed: at}, at.Add(7))
	if q := quantiles(l.all()); q != (Quantiles{7, 9, 9}) {
		t.Errorf("%+v", q)
	}
	if r := l.recent(); r != 7 {
		t.Errorf("recent %d", r)
	}
}

func TestInvokeAPI(t *testing.T) {
	t.Parallel()
	srv := httptest.NewServer(invokeAPI(lambdaFunc(func(ctx context.Context, payload []byte) ([]byte, error) {
		if _, ok := ctx.Deadline(); !ok {
			t.Error("no deadline")
		}
		if string(payload) == "fail" {
			return nil, errors.New("a \"bad\" day")
		}
		return append([]byte("got "), payload...), nil
	}), time.Minute))
	defer srv.Close()
	for _, tt := range []struct{ path, payload, header, answer string }{
		{invokePath, "x", "", "got x"},
		{invokePath, "fail", "Unhandled", `{"errorMessage":"a \"bad\" day","errorType":"errorString"}`},
	} {
		resp, err := loopback.Client().Post(srv.URL+tt.path, "application/json", strings.NewReader(tt.payload)) //nolint:noctx // a test
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != 200 || resp.Header.Get("X-Amz-Function-Error") != tt.header || string(body) != tt.answer {
			t.Errorf("%s: %d %q %s", tt.payload, resp.StatusCode, resp.Header.Get("X-Amz-Function-Error"), body)
		}
	}
}
