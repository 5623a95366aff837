package directory

import (
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/store"
)

// Whoever adds a collection decides how the audit log tells of its changes, or says that they follow from others.
func TestEveryCollectionIsToldOrInternal(t *testing.T) {
	for _, name := range store.Collections() {
		if told := describers[name] != nil; told == internal[name] {
			t.Errorf("collection %q: told in describers %v, named as internal %v: want exactly one", name, told, internal[name])
		}
	}
}
