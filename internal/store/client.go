package store

import (
	"context"
	"slices"
	"strings"

	"github.com/gatehouse-id/gatehouse/internal/iam"
)

// Client returns a client, nil when there is none. It is shared: read only.
func (s *Store) Client(ctx context.Context, id iam.ClientID) (*iam.Client, error) {
	return cached(ctx, s, clients, string(id))
}

// ClientNamed returns the client of this name in an organization ("" for the platform), nil when there is none.
func (s *Store) ClientNamed(ctx context.Context, org iam.NodeID, name string) (*iam.Client, error) {
	r, err := cached(ctx, s, clientNames, join(clientScope(org), name))
	if err != nil || r == nil {
		return nil, err
	}
	return s.Client(ctx, iam.ClientID(r.ID))
}

// Clients lists the clients of an organization, or of the platform, by name.
func (s *Store) Clients(ctx context.Context, org iam.NodeID, p PageOptions) (Page[*iam.Client], error) {
	return listRefs(ctx, s, clientNames, clientScope(org)+"/", p, clients)
}

// Client returns a client as the transaction sees it, nil when there is none.
func (tx *Tx) Client(id iam.ClientID) (*iam.Client, error) { return read(tx, clients, string(id)) }

// ClientNamed is Store.ClientNamed inside the transaction.
func (tx *Tx) ClientNamed(org iam.NodeID, name string) (*iam.Client, error) {
	r, err := read(tx, clientNames, join(clientScope(org), name))
	if err != nil || r == nil {
		return nil, err
	}
	return tx.Client(iam.ClientID(r.ID))
}

// PutClient creates or changes a client. A client never moves to another organization.
func (tx *Tx) PutClient(c *iam.Client) error {
	old, err := tx.Client(c.ID)
	if err != nil {
		return err
	}
	from := ""
	switch {
	case old != nil && old.Organization != c.Organization:
		return iam.Refuse(iam.Conflict, "client_id_taken", "client id %q is taken", c.ID)
	case old != nil:
		from = join(clientScope(old.Organization), old.Name)
	case c.Organization != "":
		if err := tx.touch(c.Organization); err != nil {
			return err
		}
	}
	if err := tx.rename(clientNames, from, join(clientScope(c.Organization), c.Name), string(c.ID), "client", c.Name); err != nil {
		return err
	}
	var had []iam.Secret
	if old != nil {
		had = old.Secrets
	}
	if err := tx.indexSecrets(c.ID, had, c.Secrets); err != nil {
		return err
	}
	if err := tx.indexOrigins(old, c); err != nil {
		return err
	}
	return put(tx, clients, string(c.ID), c)
}

// DeleteClient removes a client and every role that it holds.
func (tx *Tx) DeleteClient(id iam.ClientID) error {
	c, err := tx.Client(id)
	if err != nil || c == nil {
		return err
	}
	h, err := tx.Holding(id.Subject())
	if err != nil {
		return err
	}
	if c.Organization != "" {
		h.Nodes = append(h.Nodes, c.Organization)
	}
	for _, n := range h.Nodes {
		if err := tx.Assign(n, id.Subject(), nil); err != nil {
			return err
		}
	}
	remove(tx, clientNames, join(clientScope(c.Organization), c.Name))
	if err := tx.indexSecrets(id, c.Secrets, nil); err != nil {
		return err
	}
	if err := tx.indexOrigins(c, nil); err != nil {
		return err
	}
	remove(tx, clients, string(id))
	if c.Organization == "" {
		return nil
	}
	return tx.touch(c.Organization)
}

// secretHolders are the clients that have a secret whose keyed hash begins like this. It is one small record, since there is one
// for each of a million clients.
type secretHolders struct {
	Clients []iam.ClientID `json:"c"`
}

// ClientsWithSecret returns the clients that may have a secret of this keyed hash: whoever acts on one compares the hash. There is
// no looking up one with a salt of its own.
func (s *Store) ClientsWithSecret(ctx context.Context, hash string) ([]iam.ClientID, error) {
	id := secretID(hash)
	if id == "" {
		return nil, nil
	}
	h, err := cached(ctx, s, clientSecrets, id)
	if err != nil || h == nil {
		return nil, err
	}
	return h.Clients, nil
}

// indexSecrets keeps the index of keyed hashes true when a client has other secrets than it had.
func (tx *Tx) indexSecrets(c iam.ClientID, had, has []iam.Secret) error {
	holds := func(list []iam.Secret, hash string) bool {
		return slices.ContainsFunc(list, func(x iam.Secret) bool { return x.Hash == hash })
	}
	for _, x := range had {
		if !holds(has, x.Hash) {
			if err := tx.indexSecret(c, x.Hash, false); err != nil {
				return err
			}
		}
	}
	for _, x := range has {
		if !holds(had, x.Hash) {
			if err := tx.indexSecret(c, x.Hash, true); err != nil {
				return err
			}
		}
	}
	return nil
}

func (tx *Tx) indexSecret(c iam.ClientID, hash string, has bool) error {
	id := secretID(hash)
	if id == "" {
		return nil
	}
	h, err := read(tx, clientSecrets, id)
	if err != nil {
		return err
	}
	if h == nil {
		h = &secretHolders{}
	}
	h.Clients = slices.DeleteFunc(h.Clients, func(x iam.ClientID) bool { return x == c })
	if has {
		h.Clients = append(h.Clients, c)
	}
	if len(h.Clients) == 0 {
		remove(tx, clientSecrets, id)
		return nil
	}
	return put(tx, clientSecrets, id, h)
}

// secretIDChars of a keyed hash, 96 bits, find it.
const secretIDChars = 16

// secretID is the beginning of the part of a keyed hash that is its own, "" of any other hash.
func secretID(hash string) string {
	mac := hash[strings.LastIndexByte(hash, '$')+1:]
	if !strings.HasPrefix(hash, "v1$hmac-sha256$") || len(mac) < secretIDChars {
		return ""
	}
	return mac[:secretIDChars]
}
