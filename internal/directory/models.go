package directory

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"sync"

	"github.com/gatehouse-id/gatehouse/internal/access"
	"github.com/gatehouse-id/gatehouse/internal/iam"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// Models finds access models by name: those that ship with Gatehouse, and those in the store, each compiled once.
type Models struct {
	Store *store.Store

	mu       sync.RWMutex
	compiled map[string]*access.Model // by the hash of the source
}

// maxCompiled bounds how many models are kept compiled.
const maxCompiled = 256

// Named returns the access model of that name as the cache of the store knows it, nil when there is none.
func (m *Models) Named(ctx context.Context, name string) (*access.Model, error) {
	if p, ok := access.Preset(name); ok {
		return p, nil
	}
	head, err := m.Store.Model(ctx, name)
	if err != nil || head == nil {
		return nil, err
	}
	return m.of(head, func() (*store.ModelSource, error) { return m.Store.ModelSource(ctx, name) })
}

// of returns the model whose record is head; read gets its source where that is not compiled yet.
func (m *Models) of(head *store.Model, read func() (*store.ModelSource, error)) (*access.Model, error) {
	m.mu.RLock()
	out := m.compiled[head.Hash]
	m.mu.RUnlock()
	if out != nil {
		return out, nil
	}
	src, err := read()
	if err != nil {
		return nil, err
	}
	if src == nil { // deleted since head was read
		return nil, nil
	}
	out, err = access.Parse(head.Name, src.Source)
	if err != nil {
		return nil, iam.Errorf(iam.Internal, "the access model %q cannot be read", head.Name).WithCause(err)
	}
	m.keep(src.Hash, out)
	return out, nil
}

func (m *Models) keep(hash string, model *access.Model) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.compiled == nil {
		m.compiled = make(map[string]*access.Model)
	}
	for other := range m.compiled {
		if len(m.compiled) < maxCompiled {
			break
		}
		delete(m.compiled, other) // any: it is compiled again when it is asked for
	}
	m.compiled[hash] = model
}

func hashOf(src []byte) string {
	sum := sha256.Sum256(src)
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// modelNamed returns the access model of that name, nil when there is none. What the transaction decides by it holds only while
// the model is still that.
func (w *work) modelNamed(name string) (*access.Model, error) {
	if p, ok := access.Preset(name); ok {
		return p, nil
	}
	head, err := w.Tx.Model(name)
	if err != nil || head == nil {
		return nil, err
	}
	if head.Frozen != nil && !w.dry {
		if err := w.thaw(head); err != nil {
			return nil, err
		}
	}
	return w.modelOf(head)
}

// thaw ends a freeze whose time is up, and refuses to go on during another: what is about to change is being compared with a new
// source of the model.
func (w *work) thaw(head *store.Model) error {
	if w.s.Now().Before(head.Frozen.Until) {
		return iam.Refuse(iam.Unavailable, "busy", "access model %q is being changed: try again", head.Name)
	}
	head.Frozen = nil
	return w.PutModel(head, nil)
}
