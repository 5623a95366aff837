package directory

import (
	"strconv"

	"github.com/gatehouse-id/gatehouse/internal/apiv1"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// show turns a page of records into what the API shows of them.
func show[R, V any](page store.Page[R], err error, one func(R) (V, error)) (apiv1.Page[V], error) {
	out := apiv1.Page[V]{Items: make([]V, 0, len(page.Items)), NextPageToken: page.Next}
	if err != nil {
		return out, err
	}
	for _, r := range page.Items {
		v, err := one(r)
		if err != nil {
			return out, err
		}
		out.Items = append(out.Items, v)
	}
	return out, nil
}

// at names an entry of a list.
func at(path string, i int) string { return path + "[" + strconv.Itoa(i) + "]" }
