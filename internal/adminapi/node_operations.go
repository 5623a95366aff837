package adminapi

import (
	"context"
	"net/http"

	"github.com/gatehouse-id/gatehouse/internal/apiv1"
)

// operated is the answer to an operation: 201 with a node that it has made, else 200.
type operated struct {
	Status int
	Body   apiv1.OperationDone
}

func (a *api) operationsAt(home, id, noun string) {
	const tag = "operations"
	list := home + "/{node}/operations"
	add(a, op{http.MethodGet, list, "list-operations-of-" + id, "List the operations that the access model has at " + noun, tag, 0, false, false},
		func(ctx context.Context, by *caller, in *AtNode) (*plain[apiv1.Page[apiv1.Operation]], error) {
			v, err := a.Directory.Operations(ctx, by.by(), path(in.Node))
			return &plain[apiv1.Page[apiv1.Operation]]{Body: v}, err
		})
	add(a, op{http.MethodPost, list + "/{operation}", "operate-at-" + id, "Carry out an operation at " + noun + ": the maker of a node holds what the model says, from the start", tag, 0, false, false},
		func(ctx context.Context, by *caller, in *struct {
			AtNode
			Operation string `path:"operation" doc:"An operation of the access model."`
			Body      apiv1.NewOperation
		}) (*operated, error) {
			v, err := a.Directory.Operate(ctx, by.by(), path(in.Node), in.Operation, in.Body)
			out := &operated{Status: http.StatusOK, Body: v}
			if v.Node != nil {
				out.Status = http.StatusCreated
			}
			return out, err
		})
}
