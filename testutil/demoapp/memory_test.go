package demoapp

import (
	"context"
	"maps"
	"slices"
	"sync"
)

// memory is a bucket in memory whose operations can be made to fail.
type memory struct {
	mu      sync.Mutex
	objects map[string]Content
	fail    func(op, key string) error // called before, with the lock held
	log     []string
}

func newMemory() *memory { return &memory{objects: map[string]Content{}} }

func (m *memory) begin(op, key string) error {
	m.log = append(m.log, op+" "+key)
	if m.fail != nil {
		return m.fail(op, key)
	}
	return nil
}

func (m *memory) Put(_ context.Context, key string, body []byte, attrs Attrs) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.begin("put", key); err != nil {
		return err
	}
	m.objects[key] = NewContent(body, attrs)
	return nil
}

func (m *memory) Get(_ context.Context, key string) (Content, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.begin("get", key); err != nil {
		return Content{}, err
	}
	c, ok := m.objects[key]
	if !ok {
		return Content{}, ErrAbsent
	}
	return c, nil
}

func (m *memory) Delete(_ context.Context, key string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.begin("delete", key); err != nil {
		return err
	}
	if _, ok := m.objects[key]; !ok {
		return ErrAbsent
	}
	delete(m.objects, key)
	return nil
}

func (m *memory) List(_ context.Context, yield func(string) bool) error {
	m.mu.Lock()
	keys := slices.Sorted(maps.Keys(m.objects))
	err := m.begin("list", "")
	m.mu.Unlock()
	for _, key := range keys {
		if !yield(key) {
			break
		}
	}
	return err
}

func (m *memory) clone() *memory {
	m.mu.Lock()
	defer m.mu.Unlock()
	return &memory{objects: maps.Clone(m.objects)}
}
