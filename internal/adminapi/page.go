package adminapi

import (
	"strings"

	"github.com/gatehouse-id/gatehouse/internal/apiv1"
	"github.com/gatehouse-id/gatehouse/internal/store"
	"github.com/gatehouse-id/gatehouse/internal/web"
)

// Paged is the part of a request that asks for a part of a list.
type Paged struct {
	PageSize  int    `query:"page_size" minimum:"1" maximum:"1000" default:"100" doc:"How many entries the answer has at most."`
	PageToken string `query:"page_token" maxLength:"2000" doc:"next_page_token of the part before."`
}

// place opens a page token of a list.
func place(list, token string) (string, error) { return web.Place(list, token) }

// pageToken seals a place in a list, "" for the end.
func pageToken(list, place string) string { return web.PageToken(list, place) }

// page reads a part of a list. list names it with all that it depends on.
func page[T any](p Paged, list string, read func(store.PageOptions) (apiv1.Page[T], error)) (*plain[apiv1.Page[T]], error) {
	after, err := place(list, p.PageToken)
	if err != nil {
		return nil, err
	}
	got, err := read(store.PageOptions{After: after, Limit: p.PageSize})
	if err != nil {
		return nil, err
	}
	got.NextPageToken = pageToken(list, got.NextPageToken)
	return &plain[apiv1.Page[T]]{Body: got}, nil
}

// path reads a reference in a URL, where ':' stands for the '/' of a node's path.
func path(ref string) string { return strings.ReplaceAll(ref, ":", "/") }
