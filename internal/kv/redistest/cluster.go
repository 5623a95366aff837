package redistest

import (
	"slices"
	"strconv"
	"strings"
	"testing"
)

const slots = 16384

// A Cluster is a Redis Cluster of three nodes without replicas, each with a third of the slots.
type Cluster struct{ Nodes []*Server }

// StartCluster starts a cluster of which every node says that it is whole. Losing a node costs its slots only.
func StartCluster(t testing.TB, extra ...string) *Cluster {
	t.Helper()
	const n = 3
	c := &Cluster{}
	buses := make([]string, n)
	for i := range n {
		buses[i] = FreePort(t)
		args := []string{"--cluster-enabled", "yes", "--cluster-port", buses[i], "--cluster-node-timeout", "3000",
			"--cluster-require-full-coverage", "no"}
		c.Nodes = append(c.Nodes, Start(t, append(args, extra...)...))
	}
	for i, node := range c.Nodes {
		node.Do("cluster", "set-config-epoch", i+1)
		node.Do("cluster", "addslotsrange", i*slots/n, (i+1)*slots/n-1)
		if i > 0 {
			first := c.Nodes[0]
			node.Do("cluster", "meet", "127.0.0.1", first.port, buses[0])
		}
	}
	for _, node := range c.Nodes {
		node.await("whole cluster", func() bool {
			info := node.Do("cluster", "info")
			return strings.Contains(info, "cluster_state:ok") && strings.Contains(info, "cluster_slots_ok:"+strconv.Itoa(slots)) &&
				strings.Contains(info, "cluster_known_nodes:"+strconv.Itoa(n))
		})
	}
	return c
}

// URL is the address as a redis+cluster:// URL.
func (c *Cluster) URL() string { return "redis+cluster://" + addrs(c.Nodes) }

// Slot returns the slot of a key.
func (c *Cluster) Slot(key string) int {
	c.Nodes[0].t.Helper()
	slot, err := strconv.Atoi(c.Nodes[0].Do("cluster", "keyslot", key))
	if err != nil {
		c.Nodes[0].t.Fatal(err)
	}
	return slot
}

// owners returns for each node, in order, which node it takes for the owner of a slot, -1 for none, and the epoch it lives in.
func (c *Cluster) owners(slot int) (owners []int, epochs []string) {
	for _, node := range c.Nodes {
		owner := -1
		for line := range strings.Lines(node.Do("cluster", "nodes")) {
			f := strings.Fields(line) // id, ip:port@bus, ..., from the ninth on slots
			if len(f) < 9 || !holds(f[8:], slot) {
				continue
			}
			for i, other := range c.Nodes {
				if strings.HasPrefix(f[1], other.Addr()+"@") {
					owner = i
				}
			}
		}
		owners = append(owners, owner)
		epochs = append(epochs, Field(node.Do("cluster", "info"), "cluster_current_epoch"))
	}
	return owners, epochs
}

func holds(ranges []string, slot int) bool {
	for _, r := range ranges {
		from, to, isRange := strings.Cut(r, "-")
		if !isRange {
			to = from
		}
		lo, errLo := strconv.Atoi(from)
		hi, errHi := strconv.Atoi(to)
		if errLo == nil && errHi == nil && lo <= slot && slot <= hi {
			return true
		}
	}
	return false
}

// Owner returns the node that has a slot when all of them agree on it, which gossip brings about.
func (c *Cluster) Owner(slot int) *Server {
	c.Nodes[0].t.Helper()
	var owner int
	c.Nodes[0].await("agreement on a slot", func() bool {
		owners, epochs := c.owners(slot)
		owner = owners[0]
		return owner >= 0 && len(slices.Compact(owners)) == 1 && len(slices.Compact(epochs)) == 1
	})
	return c.Nodes[owner]
}

// Migrate moves a slot to another node key by key while both serve it, as redis-cli does. between, unless nil, is called when
// all keys have moved and the slot has not.
func (c *Cluster) Migrate(slot int, between func()) {
	c.Nodes[0].t.Helper()
	from := c.Owner(slot)
	to := c.Nodes[(slices.Index(c.Nodes, from)+1)%len(c.Nodes)]
	fromID, toID := from.Do("cluster", "myid"), to.Do("cluster", "myid")
	to.Do("cluster", "setslot", slot, "importing", fromID)
	from.Do("cluster", "setslot", slot, "migrating", toID)
	for {
		key := from.Do("cluster", "getkeysinslot", slot, 1)
		if key == "" {
			break
		}
		from.Do("migrate", "127.0.0.1", to.port, key, 0, 5000)
	}
	if between != nil {
		between()
	}
	to.Do("cluster", "setslot", slot, "node", toID)
	for _, node := range c.Nodes {
		if node != to {
			node.Do("cluster", "setslot", slot, "node", toID)
		}
	}
	if now := c.Owner(slot); now != to {
		c.Nodes[0].t.Fatalf("slot %d went to %s, want %s", slot, now.Addr(), to.Addr())
	}
}
