package directory

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/iam"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// describeModel tells of a model which revision it has. That it was held still while it was compared with what follows it is no
// change of it.
func describeModel(w *work, c store.Changed) ([]audit.Event, error) {
	before, after := differing(c)
	delete(before, "frozen")
	delete(after, "frozen")
	if len(before)+len(after) == 0 {
		return nil, nil
	}
	e, err := w.event("model."+verb(c), "model:"+c.ID, "", before, after)
	return []audit.Event{e}, err
}

// describeMigrationPart tells what was decided about which items; what they are at first is told by the migration itself.
func describeMigrationPart(w *work, c store.Changed) (out []audit.Event, err error) {
	if c.Before == nil || c.After == nil {
		return nil, nil
	}
	id, number, _ := strings.Cut(c.ID, "/")
	part, err := strconv.Atoi(number)
	if err != nil {
		return nil, err
	}
	before, after := items(c.Before), items(c.After)
	for i := range min(len(before), len(after)) {
		if bytes.Equal(before[i], after[i]) {
			continue
		}
		was, is := differing(store.Changed{Before: before[i], After: after[i]})
		subject := "migration:" + id + "/" + strconv.Itoa(part*store.MigrationPart+i)
		e, err := w.event("migration.item", subject, iam.NodeID(whole(c).text("node")), was, is)
		if err != nil {
			return nil, err
		}
		out = append(out, e)
	}
	return out, nil
}

func items(record json.RawMessage) (out []json.RawMessage) {
	_ = json.Unmarshal(membersOf(record)["items"], &out) // a record of ours
	return out
}
