package store

import (
	"context"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/iam"
)

// A Model is an access model that does not ship with Gatehouse. Its source, which is large and seldom read, is a record of its
// own. Every change of which trees follow the model changes this record, so that whoever has read it knows them.
type Model struct {
	Name      string    `json:"name"`
	Revision  int       `json:"revision"`
	Hash      string    `json:"hash"` // of the source
	Frozen    *Freeze   `json:"frozen,omitempty"`
	CreatedAt time.Time `json:"created_at"`
	ChangedAt time.Time `json:"changed_at"`
}

// A Freeze says that somebody compares a new source with all that follows the model: until that is done, or the time is up,
// nothing that follows it changes. Whoever finds the time up ends the freeze in the transaction that depends on it, which the one
// who froze then notices.
type Freeze struct {
	By    string    `json:"by"`
	Until time.Time `json:"until"`
}

// A ModelSource is the text of a model.
type ModelSource struct {
	Hash   string `json:"hash"`
	Source []byte `json:"source"`
}

// Model returns the record of an access model, nil when there is none of that name. It is shared: read only.
func (s *Store) Model(ctx context.Context, name string) (*Model, error) {
	return cached(ctx, s, models, name)
}

// ModelSource returns the source of an access model, nil when there is none. It bypasses the cache: whoever compiles it keeps
// what comes of it.
func (s *Store) ModelSource(ctx context.Context, name string) (src *ModelSource, err error) {
	err = s.View(ctx, func(tx *Tx) error {
		src, err = tx.ModelSource(name)
		return err
	})
	return src, err
}

// Models lists access models by name.
func (s *Store) Models(ctx context.Context, p PageOptions) (Page[*Model], error) {
	return listRefs(ctx, s, modelNames, "", p, models)
}

// Model is Store.Model inside the transaction; the result is the caller's own.
func (tx *Tx) Model(name string) (*Model, error) { return read(tx, models, name) }

// ModelSource is Store.ModelSource inside the transaction.
func (tx *Tx) ModelSource(name string) (*ModelSource, error) { return read(tx, modelSources, name) }

// PutModel writes the record of an access model, and its source unless src is nil.
func (tx *Tx) PutModel(m *Model, src []byte) error {
	if src != nil {
		if err := tx.rename(modelNames, "", m.Name, m.Name, "access model", m.Name); err != nil {
			return err
		}
		if err := put(tx, modelSources, m.Name, &ModelSource{Hash: m.Hash, Source: src}); err != nil {
			return err
		}
	}
	return put(tx, models, m.Name, m)
}

// DeleteModel removes an access model that nothing follows.
func (tx *Tx) DeleteModel(name string) error {
	m, err := tx.Model(name)
	if err != nil || m == nil {
		return err
	}
	used, err := anyID(tx, modelTrees, name+"/")
	if err != nil {
		return err
	}
	if used {
		return iam.Refuse(iam.Conflict, "model_in_use", "access model %q is that of organizations", name)
	}
	remove(tx, modelNames, name)
	remove(tx, modelSources, name)
	remove(tx, models, name)
	return nil
}

// ModelTrees returns the roots of the trees that follow an access model which has a record.
func (tx *Tx) ModelTrees(name string) ([]iam.NodeID, error) {
	if _, err := tx.Model(name); err != nil {
		return nil, err
	}
	list, err := ids(tx, modelTrees, name+"/")
	out := make([]iam.NodeID, len(list))
	for i, id := range list {
		out[i] = iam.NodeID(id)
	}
	return out, err
}

// follow notes that a root follows an access model, or no longer does. Models that ship with Gatehouse have no record: they
// never change, so nobody asks.
func (tx *Tx) follow(root *iam.Node, follows bool) error {
	m, err := tx.Model(root.Model)
	if err != nil || m == nil {
		return err
	}
	id := join(m.Name, string(root.ID))
	if !follows {
		remove(tx, modelTrees, id)
	} else if err := put(tx, modelTrees, id, &none{}); err != nil {
		return err
	}
	return put(tx, models, m.Name, m)
}
