package cutover

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strconv"
	"syscall"
	"time"

	"github.com/crossfade-io/crossfade/config"
	"github.com/crossfade-io/crossfade/cutover/report"
	"github.com/crossfade-io/crossfade/replicate/control"
)

// hookChecker is a Hooks that can tell without running a hook whether it could.
type hookChecker interface {
	Check(ctx context.Context, hook config.Hook) error
}

const (
	// defaultHookTimeout is that of a hook that names none.
	defaultHookTimeout = 10 * time.Second

	// hookGrace is how long the output of a command that was killed is waited
	// for: a grandchild may hold it open.
	hookGrace = 500 * time.Millisecond
)

// runner really runs hooks.
type runner struct {
	now   func() time.Time
	sleep func(context.Context, time.Duration) error
	web   doer
}

func newRunner(now func() time.Time, sleep func(context.Context, time.Duration) error) *runner {
	return &runner{now: now, sleep: sleep, web: newWebClient()}
}

// Run runs a hook to its end, or to its timeout.
func (r *runner) Run(ctx context.Context, hook config.Hook, call HookCall) (report.HookRun, error) {
	timeout := cmp.Or(hook.Timeout, defaultHookTimeout)
	limited, cancel := context.WithTimeoutCause(ctx, timeout, errHookTimeout)
	defer cancel()
	run := report.HookRun{Name: call.Step, Start: r.now(), Attempts: 1}
	out := &bounded{most: maxHookOutput}
	var err error
	if len(hook.Command) > 0 {
		run.Kind = report.HookCommand
		err = command(limited, hook, call, out)
	} else {
		run.Kind = report.HookWebhook
		run.Attempts, err = r.post(limited, hook, call, out)
	}
	run.Seconds = r.now().Sub(run.Start).Seconds()
	run.Output = redactHook(hook, out.String())
	switch {
	case err == nil:
		run.Result = report.HookOK
		return run, nil
	case errors.Is(context.Cause(limited), errHookTimeout):
		run.Result = report.HookTimedOut
		err = fmt.Errorf("timed out after %s", timeout)
	case ctx.Err() != nil:
		run.Result = report.HookFailed
		err = context.Cause(ctx)
	default:
		run.Result = report.HookFailed
	}
	return run, &HookError{Step: call.Step, Hook: describeHook(hook), Err: err}
}

var errHookTimeout = errors.New("the hook's timeout has passed")

// HookError says that a hook did not succeed.
type HookError struct {
	Step string
	Hook string // what it is, without secrets
	Err  error
}

func (e *HookError) Error() string {
	return fmt.Sprintf("the %s hook (%s) %s", e.Step, e.Hook, e.Err)
}

// Unwrap returns the cause.
func (e *HookError) Unwrap() error { return e.Err }

// Check finds out whether a hook could be run: its command is there, or its
// URL is one that can be asked.
func (r *runner) Check(_ context.Context, hook config.Hook) error {
	if len(hook.Command) > 0 {
		if _, err := exec.LookPath(hook.Command[0].Reveal()); err != nil {
			return fmt.Errorf("%s cannot be run: %w", hook.Command[0], errors.Unwrap(err))
		}
		return nil
	}
	if _, err := webhookURL(hook); err != nil {
		return err
	}
	return nil
}

// describeHook names a hook without its secrets.
func describeHook(h config.Hook) string {
	if len(h.Command) > 0 {
		return "command " + h.Command[0].String()
	}
	return "webhook " + h.Webhook.String()
}

// command runs one in a process group of its own, so that a Ctrl-C for crossfade
// does not end it, and its timeout ends what it has started as well.
func command(ctx context.Context, hook config.Hook, call HookCall, out *bounded) error {
	argv := config.Argv(hook.Command)
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...) //nolint:gosec // to run what the user says is what a hook is
	cmd.Env = append(cmd.Environ(), call.Environ()...)
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = hookGrace
	err := cmd.Run()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return fmt.Errorf("ended with %s", exit.ProcessState)
	}
	if errors.Is(err, exec.ErrWaitDelay) {
		return nil // it has succeeded, and left something running
	}
	if err != nil {
		return errors.New("could not be started: " + startError(err))
	}
	return nil
}

// startError is the cause alone: exec's own words hold the arguments.
func startError(err error) string {
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err.Error()
		}
		err = inner
	}
}

// Environ is what a command is told, as variables.
func (c HookCall) Environ() []string {
	return []string{
		"CROSSFADE_MIGRATION=" + c.Migration,
		"CROSSFADE_OPERATION=" + c.Operation,
		"CROSSFADE_STEP=" + c.Step,
		"CROSSFADE_AUTHORITY=" + string(c.Authority),
		"CROSSFADE_SOURCE=" + c.Source,
		"CROSSFADE_TARGET=" + c.Target,
		"CROSSFADE_EPOCH=" + strconv.FormatInt(c.Epoch, 10),
		"CROSSFADE_RUN=" + c.Run,
		"CROSSFADE_MAX_FREEZE=" + strconv.FormatFloat(c.MaxFreeze.Seconds(), 'f', -1, 64),
		"CROSSFADE_DRY_RUN=" + flag(c.DryRun),
	}
}

func flag(b bool) string {
	if b {
		return "1"
	}
	return "0"
}

// payload is what a webhook is told.
type payload struct {
	Migration string       `json:"migration"`
	Operation string       `json:"operation"`
	Step      string       `json:"step"`
	Authority control.Side `json:"authority"`
	Source    string       `json:"source"`
	Target    string       `json:"target"`
	Epoch     int64        `json:"epoch"`
	Run       string       `json:"run"`
	MaxFreeze float64      `json:"max_freeze"` // seconds
	DryRun    bool         `json:"dry_run"`
}

// IdempotencyKey is the same for each attempt of one call.
func (c HookCall) IdempotencyKey() string {
	key := c.Run + "-" + c.Step + "-" + string(c.Authority)
	if c.DryRun {
		key += "-dry-run"
	}
	return key
}
