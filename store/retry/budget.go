package retry

import "sync"

// budget is a bucket of tokens, full at first.
type budget struct {
	size, ratio float64

	mu     sync.Mutex
	tokens float64
}

func newBudget(size, ratio float64) *budget {
	return &budget{size: size, ratio: ratio, tokens: size}
}

// earn is called for a call that was answered at its first attempt.
func (b *budget) earn() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.tokens = min(b.tokens+b.ratio, b.size)
}

// spend takes the token of a retry, if there is one.
func (b *budget) spend() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.tokens < 1 {
		return false
	}
	b.tokens--
	return true
}
