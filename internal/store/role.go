package store

import (
	"github.com/gatehouse-id/gatehouse/internal/iam"
)

// roleSet is the record of the custom roles of one node.
type roleSet struct {
	Roles []*iam.CustomRole `json:"roles"`
}

// CustomRoles returns the custom roles defined at a node; the result is the caller's own.
func (tx *Tx) CustomRoles(n iam.NodeID) ([]*iam.CustomRole, error) {
	r, err := read(tx, customRoles, string(n))
	if err != nil || r == nil {
		return nil, err
	}
	return r.Roles, nil
}

// PutCustomRoles makes roles all the custom roles of a node.
func (tx *Tx) PutCustomRoles(n iam.NodeID, roles []*iam.CustomRole) error {
	if err := tx.touch(n); err != nil {
		return err
	}
	if len(roles) == 0 {
		remove(tx, customRoles, string(n))
		return nil
	}
	return put(tx, customRoles, string(n), &roleSet{Roles: roles})
}
