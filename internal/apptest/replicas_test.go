package apptest_test

import (
	"sync"
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/apiv1"
	"github.com/gatehouse-id/gatehouse/internal/apptest"
	"github.com/gatehouse-id/gatehouse/internal/kv/redistest"
)

// What two replicas are asked to make with one Idempotency-Key at once is made once, and both answer with its secret. A setting that
// one of them lowers ends tokens at the other at once.
func TestReplicasMakeOnceAndEndTokensTogether(t *testing.T) {
	t.Parallel()
	redis, data := redistest.Start(t), t.TempDir()
	var brokers []*apptest.Broker
	for range 2 {
		brokers = append(brokers, apptest.Start(t, apptest.Data(data), apptest.Set("store", redis.URL())))
	}
	ctx, api := t.Context(), brokers[0].API()
	for _, n := range []apiv1.NewNode{
		{Name: "tools", NodeSpec: apiv1.NodeSpec{Model: "flakiness"}},
		{Name: "web", Parent: "tools", NodeSpec: apiv1.NodeSpec{Level: "project", Settings: map[string]string{"visibility": "public"}}},
	} {
		if _, err := api.CreateNode(ctx, n); err != nil {
			t.Fatal(err)
		}
	}
	var all sync.WaitGroup
	made, failed := make([]apiv1.ClientCreated, 6), make([]error, 6)
	for i := range made {
		all.Go(func() {
			api := brokers[i%2].API()
			api.Key = func() string { return "one" }
			made[i], failed[i] = api.CreateClient(ctx, apiv1.NewClient{Name: "ci", Organization: "tools/web", ClientSpec: apiv1.ClientSpec{ClientID: "ci", Role: "uploader"}})
		})
	}
	all.Wait()
	for i := range made {
		if failed[i] != nil || made[i].Secret == nil || made[0].Secret == nil || made[i].Secret.Value != made[0].Secret.Value {
			t.Fatalf("answer %d: got %+v, %v, want that of the first", i, made[i], failed[i])
		}
	}

	secret := made[0].Secret.Value
	token := brokers[0].Token("ci", secret)
	active := func(b *apptest.Broker) bool {
		return b.Post("/oauth/introspect", "client_id", "ci", "client_secret", secret, "token", token).JSON(t)["active"] == true
	}
	if !active(brokers[0]) || !active(brokers[1]) {
		t.Fatal("a new token is not active")
	}
	if _, err := brokers[1].API().PutSetting(ctx, "tools/web", "visibility", "private", ""); err != nil {
		t.Fatal(err)
	}
	if active(brokers[0]) || active(brokers[1]) {
		t.Error("a setting was lowered: a token from before is active")
	}
}
