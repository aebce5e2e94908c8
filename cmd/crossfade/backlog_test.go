package main

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/crossfade-io/crossfade/config"
)

func TestBacklogOfSQS(t *testing.T) {
	t.Setenv("AWS_ACCESS_KEY_ID", "key")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
	t.Setenv("AWS_REGION", "eu-north-1")
	t.Setenv("AWS_MAX_ATTEMPTS", "1")
	answer, status := `{"Attributes":{"ApproximateNumberOfMessages":"3","ApproximateNumberOfMessagesNotVisible":"40","ApproximateNumberOfMessagesDelayed":"500"}}`, http.StatusOK
	var asked struct {
		QueueUrl       string
		AttributeNames []string
	}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		if r.Header.Get("X-Amz-Target") != "AmazonSQS.GetQueueAttributes" || json.Unmarshal(b, &asked) != nil || !strings.Contains(r.Header.Get("Authorization"), "/eu-north-1/sqs/") {
			t.Errorf("%v\n%s", r.Header, b)
		}
		w.Header().Set("Content-Type", "application/x-amz-json-1.0")
		w.WriteHeader(status)
		io.WriteString(w, answer)
	}))
	defer srv.Close()
	queue := srv.URL + "/123456789012/crossfade"
	ask, err := newBacklog(t.Context(), &config.Backlog{SQS: queue, Timeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	if n, err := ask(t.Context()); n != 543 || err != nil {
		t.Fatal(n, err)
	}
	if asked.QueueUrl != queue || len(asked.AttributeNames) != 3 {
		t.Fatalf("%+v", asked)
	}
	for _, tc := range []struct {
		status       int
		answer, says string
	}{
		{http.StatusOK, `{"Attributes":{"ApproximateNumberOfMessages":"3"}}`, "has no number for ApproximateNumberOfMessagesNotVisible"},
		{http.StatusBadRequest, `{"__type":"com.amazonaws.sqs#QueueDoesNotExist","message":"no such queue"}`, "no such queue"},
	} {
		status, answer = tc.status, tc.answer
		if n, err := ask(t.Context()); err == nil || !strings.Contains(err.Error(), tc.says) || !strings.HasPrefix(err.Error(), "backlog.sqs: ") {
			t.Errorf("%s: %d, %v", tc.answer, n, err)
		}
	}
}

func TestQueueRegion(t *testing.T) {
	t.Parallel()
	for host, want := range map[string]string{
		"sqs.eu-central-1.amazonaws.com":         "eu-central-1",
		"sqs-fips.us-gov-west-1.amazonaws.com":   "us-gov-west-1",
		"sqs.cn-north-1.amazonaws.com.cn":        "cn-north-1",
		"eu-west-1.queue.amazonaws.com":          "eu-west-1",
		"queue.amazonaws.com":                    "",
		"localhost":                              "",
		"sqs.eu-central-1.localhost.example.com": "",
	} {
		if got := queueRegion(host); got != want {
			t.Errorf("%s: %q, want %q", host, got, want)
		}
	}
}

func TestBacklogOfCommand(t *testing.T) {
	t.Parallel()
	secret := config.NewSecret
	for _, tc := range []struct {
		script string
		n      int64
		says   string
	}{
		{"echo 17", 17, ""},
		{"printf 0", 0, ""},
		{"echo -1", 0, `printed "-1\n"`},
		{"echo a lot", 0, `printed "a lot\n"`},
		{"echo 12; head -c 1000 /dev/zero | tr '\\0' ' '", 0, "it must print one whole number"},
		{"true", 0, `printed ""`},
		{"echo 5; echo hunter2 >&2; exit 3", 0, "exit status 3"},
		{"exec sleep 60", 0, "no answer within backlog.timeout (200ms)"},
	} {
		t.Run(tc.script, func(t *testing.T) {
			t.Parallel()
			timeout := time.Minute
			if strings.Contains(tc.script, "sleep") {
				timeout = 200 * time.Millisecond
			}
			ask, err := newBacklog(t.Context(), &config.Backlog{
				Command: []config.Secret{secret("/bin/sh"), secret("-c"), secret(tc.script)}, Timeout: timeout,
			})
			if err != nil {
				t.Fatal(err)
			}
			n, err := ask(t.Context())
			switch {
			case tc.says == "" && (err != nil || n != tc.n):
				t.Fatal(n, err)
			case tc.says != "" && (err == nil || !strings.Contains(err.Error(), tc.says) || !strings.HasPrefix(err.Error(), "backlog.command: ")):
				t.Fatal(err)
			case err != nil && strings.Contains(err.Error(), "hunter2"):
				t.Fatalf("a secret: %v", err)
			}
		})
	}
	ask, err := newBacklog(t.Context(), &config.Backlog{Command: []config.Secret{secret("/nonexistent/hunter2")}, Timeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ask(t.Context()); err == nil || strings.Contains(err.Error(), "hunter2") || !strings.Contains(err.Error(), "could not be run") {
		t.Fatal(err)
	}
	stopped, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := ask(stopped); err == nil || strings.Contains(err.Error(), "backlog.timeout") {
		t.Fatal(err)
	}
	if none, err := newBacklog(t.Context(), nil); none != nil || err != nil {
		t.Fatal(err)
	}
}
