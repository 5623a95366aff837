package app

import (
	"context"

	"github.com/gatehouse-id/gatehouse/internal/store"
	"github.com/gatehouse-id/gatehouse/internal/token"
)

// facts hands the store's view of the facts to those who evaluate access models on them.
func facts(st *store.Store) func(context.Context) token.Facts {
	return func(ctx context.Context) token.Facts { return st.Facts(ctx) }
}
