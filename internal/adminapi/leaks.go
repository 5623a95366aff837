package adminapi

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/apiv1"
	"github.com/gatehouse-id/gatehouse/internal/iam"
	"github.com/gatehouse-id/gatehouse/internal/secret"
)

// maxReports is how many leaks one caller may report in a minute to one replica.
const maxReports = 30

// reports counts the leak reports of this minute by caller.
type reports struct {
	mu     sync.Mutex
	minute time.Time
	by     map[iam.Subject]int
}

// admit refuses a caller who has reported as many in this minute as one may.
func (r *reports) admit(s iam.Subject, now time.Time) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if minute := now.Truncate(time.Minute); !minute.Equal(r.minute) {
		r.minute, r.by = minute, make(map[iam.Subject]int)
	}
	if r.by[s] >= maxReports {
		return iam.Errorf(iam.TooMany, "one caller may report %d leaks in a minute", maxReports)
	}
	r.by[s]++
	return nil
}

func (a *api) leaks() {
	counted := &reports{}
	add(a, op{http.MethodPost, "/leaks", "report-leak", "End a client secret that was found where it should not be; the answer does not tell whether there was one", "leaks", http.StatusAccepted, true, false},
		func(ctx context.Context, by *caller, in *struct{ Body apiv1.LeakReport }) (*plain[apiv1.LeakReceipt], error) {
			if err := counted.admit(by.subject(), a.Directory.Now()); err != nil {
				return nil, err
			}
			if err := a.Directory.ReportLeak(ctx, by.by(), secret.Secret(in.Body.Secret)); err != nil {
				return nil, err
			}
			return &plain[apiv1.LeakReceipt]{Body: apiv1.LeakReceipt{Status: "received"}}, nil
		})
}
