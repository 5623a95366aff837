package apiv1

import (
	"context"
	"iter"
)

// PageOptions ask for a part of a list. PageSize is 1 to 1000, 0 for the server's choice of 100; Token is the NextPageToken of
// the part before.
type PageOptions struct {
	PageSize int
	Token    string
}

// A Page is a part of a list. NextPageToken is "" at the end; it is opaque and good for the same list only.
type Page[T any] struct {
	Items         []T    `json:"items" nullable:"false"`
	NextPageToken string `json:"next_page_token,omitempty" doc:"Asks for the next part as page_token. Absent at the end."`
}

// All yields the items of every part of a list, and stops after the first error.
func All[T any](ctx context.Context, list func(context.Context, PageOptions) (Page[T], error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for o := (PageOptions{PageSize: 1000}); ; {
			page, err := list(ctx, o)
			if err != nil {
				var none T
				yield(none, err)
				return
			}
			for _, item := range page.Items {
				if !yield(item, nil) {
					return
				}
			}
			if page.NextPageToken == "" {
				return
			}
			o.Token = page.NextPageToken
		}
	}
}
