// Package redrive deals with what lies in a dead-letter queue: it lists the
// events, syncs their keys here and now, or sends them back to where they came
// from.
//
// A message is deleted only after all of its events were acknowledged, or after
// it was sent on. Whatever is not deleted is given back, as it was. A key that
// is in order already costs a comparison, so a message may be dealt with any
// number of times, and nothing is copied twice.
package redrive

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/crossfade-io/crossfade/functions"
)

// Message is one message of a dead-letter queue.
type Message struct {
	ID         string
	Body       []byte
	Attributes map[string]string // those that go with the message when it is sent on

	Events   []functions.Event // at least one
	Sent     time.Time         // zero where unknown
	Received int               // how often it was handed out; 0 where unknown
	Reason   string            // why it came here, where a process of crossfade wrote that
	From     string            // the queue that it came from, where known

	receipt string
	raw     map[string]types.MessageAttributeValue // of SQS
}

// Undecodable says why nothing in the message is an event that can be understood,
// or nil.
func (m Message) Undecodable() error {
	var bad error
	for _, e := range m.Events {
		if e.Malformed == nil {
			return nil
		}
		bad = e.Malformed
	}
	return bad
}

// Queue is a dead-letter queue.
type Queue interface {
	// Receive returns some messages, which nobody else is handed for a while, or
	// none where there seem to be no more.
	Receive(ctx context.Context, most int) ([]Message, error)

	Delete(ctx context.Context, m Message) error
	Release(ctx context.Context, m Message) error // may be handed out again, at once
}

// Sender sends messages on, as they are but for what was noted of their death.
type Sender interface {
	Send(ctx context.Context, m Message) error
}

// Processor answers events; *functions.Processor is one.
type Processor interface {
	Process(ctx context.Context, events []functions.Event) []functions.Verdict
}

// Options configure a run. Of Proc and To at most one is set; with neither
// nothing is done but to list.
type Options struct {
	From Queue
	Proc Processor // syncs the keys
	To   Sender    // or sends the messages on

	// Discard deletes messages that cannot be understood.
	Discard bool

	DryRun bool // says what would be done, and gives everything back
	Max    int  // messages to look at: default 1000

	// Each, if not nil, is told of each message, in the order in which they are
	// dealt with.
	Each func(Outcome)
}

// Action is what became of a message, or would in a dry run.
type Action string

// The actions.
const (
	Listed    Action = "listed"
	Synced    Action = "synced" // all its keys are in order, and it is deleted
	Sent      Action = "sent"   // and deleted
	Discarded Action = "discarded"
	Kept      Action = "kept"
)

// Outcome is a message, and what became of it.
type Outcome struct {
	Message
	Action Action
	Why    string // why it is kept or discarded; what Sync says of one that is synced
}

// Summary counts messages by what became of them.
type Summary struct {
	Listed    int `json:"listed"`
	Synced    int `json:"synced"`
	Sent      int `json:"sent"`
	Discarded int `json:"discarded"`
	Kept      int `json:"kept"`

	// More says that Max ended it.
	More bool `json:"more"`
}

func (s *Summary) count(a Action) {
	switch a {
	case Listed:
		s.Listed++
	case Synced:
		s.Synced++
	case Sent:
		s.Sent++
	case Discarded:
		s.Discarded++
	default:
		s.Kept++
	}
}

const (
	defaultMax = 1000

	// most messages are received at once: the bound of SQS.
	most = 10

	// releaseWithin bounds giving back, also after the context has ended.
	releaseWithin = 20 * time.Second
)

// Run goes through the queue until it has nothing more to hand out, or Max
// messages were seen. What is in work when ctx ends is finished by the end of
// work's context: it comes from the caller, and may outlive ctx. The Summary
// counts what was done in either case.
func Run(ctx, work context.Context, opts Options) (Summary, error) {
	switch {
	case opts.From == nil:
		return Summary{}, errors.New("redrive: no queue")
	case opts.Proc != nil && opts.To != nil:
		return Summary{}, errors.New("redrive: either sync or send on, not both")
	case opts.Max < 0:
		return Summary{}, fmt.Errorf("redrive: Max %d: it cannot be negative", opts.Max)
	}
	if opts.Max == 0 {
		opts.Max = defaultMax
	}
	r := &run{Options: opts, seen: map[string]bool{}}
	err := r.run(ctx, work)
	return r.sum, errors.Join(err, r.release(work))
}

type run struct {
	Options
	sum  Summary
	seen map[string]bool
	kept []Message
}

func (r *run) run(ctx, work context.Context) error {
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		room := r.Max - len(r.seen)
		if room == 0 {
			r.sum.More = true
			return nil
		}
		batch, err := r.From.Receive(ctx, min(room, most))
		if err != nil {
			return fmt.Errorf("receiving: %w", err)
		}
		fresh := r.fresh(batch)
		if len(fresh) == 0 {
			return nil // there are no more, or only those that were seen
		}
		if err := r.batch(work, fresh); err != nil {
			return err
		}
	}
}

// fresh leaves out messages that were handed out before: they were not
// dealt with within the time that they are hidden for.
func (r *run) fresh(batch []Message) []Message {
	var fresh []Message
	for _, m := range batch {
		if r.seen[m.ID] {
			r.kept = append(r.kept, m) // with the receipt that counts now
			continue
		}
		r.seen[m.ID] = true
		fresh = append(fresh, m)
	}
	return fresh
}

// batch deals with messages together, so that a key is synced once however many
// of them name it.
func (r *run) batch(ctx context.Context, batch []Message) error {
	verdicts := r.process(ctx, batch)
	for i, m := range batch {
		o := r.judge(m, verdicts[i])
		err := r.act(ctx, &o)
		if o.Action == Kept || o.Action == Listed || r.DryRun {
			r.kept = append(r.kept, m)
		}
		r.sum.count(o.Action)
		if r.Each != nil {
			r.Each(o)
		}
		if err != nil {
			r.kept = append(r.kept, batch[i+1:]...)
			return err
		}
	}
	return nil
}

// process syncs the keys of a batch, and returns the verdict on each message.
func (r *run) process(ctx context.Context, batch []Message) []functions.Verdict {
	verdicts := make([]functions.Verdict, len(batch))
	if r.Proc == nil || r.DryRun {
		return verdicts
	}
	var events []functions.Event
	for _, m := range batch {
		for _, e := range m.Events {
			// It was delivered before, and may have been done in part.
			e.Deliveries = max(e.Deliveries, m.Received, 2)
			events = append(events, e)
		}
	}
	all := r.Proc.Process(ctx, events)
	for i, v := range all {
		if v.Reason == functions.ReasonOutside {
			// Of no concern to a function; here it may be somebody else's letter.
			all[i].Outcome = functions.DeadLetter
		}
	}
	for i, m := range batch {
		verdicts[i] = functions.Worst(all[:len(m.Events)]...)
		if len(m.Events) == 1 {
			verdicts[i] = all[0] // with the reason of an ack
		}
		all = all[len(m.Events):]
	}
	return verdicts
}

// judge says what is to become of a message.
func (r *run) judge(m Message, v functions.Verdict) Outcome {
	o := Outcome{Message: m, Action: Kept}
	bad := m.Undecodable()
	switch {
	case bad != nil && r.Discard:
		o.Action, o.Why = Discarded, bad.Error()
	case bad != nil && r.Proc == nil && r.To == nil:
		o.Action, o.Why = Listed, "cannot be understood: "+bad.Error()
	case bad != nil:
		o.Why = "cannot be understood: " + bad.Error()
	case r.To != nil:
		o.Action = Sent
	case r.Proc == nil:
		o.Action = Listed
	case v.Outcome == functions.Ack:
		o.Action, o.Why = Synced, v.Reason
	default:
		o.Why = v.Outcome.String() + ": " + v.Reason
	}
	return o
}

// act does what o says. Where that fails, the message is kept and the run ends:
// the next would fail in the same way.
func (r *run) act(ctx context.Context, o *Outcome) error {
	if r.DryRun || o.Action == Kept || o.Action == Listed {
		return nil
	}
	if o.Action == Sent {
		if err := r.To.Send(ctx, o.Message); err != nil {
			o.Action, o.Why = Kept, "could not be sent"
			return fmt.Errorf("sending message %q on: %w", o.ID, err)
		}
	}
	if err := r.From.Delete(ctx, o.Message); err != nil {
		done := o.Action
		o.Action, o.Why = Kept, string(done)+", but could not be deleted"
		return fmt.Errorf("message %q was %s, but could not be deleted, and will come again: %w", o.ID, done, err)
	}
	return nil
}

// release gives back what is not deleted.
func (r *run) release(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), releaseWithin)
	defer cancel()
	var failed int
	var first error
	for _, m := range r.kept {
		if err := r.From.Release(ctx, m); err != nil {
			failed++
			first = errors.Join(first, err)
			if failed == 3 {
				break // they will be seen again by themselves
			}
		}
	}
	if first != nil {
		return fmt.Errorf("giving messages back: they will be seen again when the time is over for which they are hidden: %w", first)
	}
	return nil
}
