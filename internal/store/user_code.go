package store

import (
	"context"
	"errors"
	"time"
)

func userCodeAt(hash string) place[ref] { return place[ref]{userCodeUnit(hash), userCodes, hash} }

// CreateUserCode says of which grant a user code is, until then. The code is known by a hash under a key. It reports false when
// another grant that waits has the same code: draw again.
func (s *Store) CreateUserCode(ctx context.Context, hash, grant string, until time.Time) (bool, error) {
	err := create(ctx, s, userCodeAt(hash), &ref{ID: grant}, until)
	if errors.Is(err, errTaken) {
		return false, nil
	}
	return err == nil, err
}

// UserCode returns of which grant a user code is, "" when it is of none.
func (s *Store) UserCode(ctx context.Context, hash string) (grant string, err error) {
	v, _, err := find(ctx, s, userCodeAt(hash))
	if err != nil || v == nil {
		return "", err
	}
	return v.ID, nil
}
