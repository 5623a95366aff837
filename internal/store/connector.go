package store

import (
	"context"

	"github.com/gatehouse-id/gatehouse/internal/iam"
)

// Connector returns the connector with this name, nil when there is none. It is shared: read only.
func (s *Store) Connector(ctx context.Context, name string) (*iam.Connector, error) {
	return cached(ctx, s, connectors, name)
}

// Connectors lists connectors by name.
func (s *Store) Connectors(ctx context.Context, p PageOptions) (Page[*iam.Connector], error) {
	return list(ctx, s, directoryUnit(), connectors, "", p, func(_ string, c *iam.Connector) (*iam.Connector, bool, error) { return c, true, nil })
}

// Connector is Store.Connector inside the transaction.
func (tx *Tx) Connector(name string) (*iam.Connector, error) { return read(tx, connectors, name) }

// PutConnector creates or changes a connector. Its name never changes: it is part of what people's accounts are known by.
func (tx *Tx) PutConnector(c *iam.Connector) error { return put(tx, connectors, c.Name, c) }

// DeleteConnector removes a connector. The accounts stay, and are the same people's when a connector of that name is made anew.
func (tx *Tx) DeleteConnector(name string) { remove(tx, connectors, name) }

// Mapped returns what somebody holds because of the mappings of a connector.
func (tx *Tx) Mapped(connector, subject string) (iam.MappedRoles, error) {
	m, err := read(tx, mappedRoles, join(connector, subject))
	if err != nil || m == nil {
		return iam.MappedRoles{}, err
	}
	return *m, nil
}

// PutMapped notes what somebody holds because of the mappings of a connector.
func (tx *Tx) PutMapped(connector, subject string, m iam.MappedRoles) error {
	id := join(connector, subject)
	if len(m.Roles)+len(m.Groups) == 0 {
		remove(tx, mappedRoles, id)
		return nil
	}
	return put(tx, mappedRoles, id, &m)
}
