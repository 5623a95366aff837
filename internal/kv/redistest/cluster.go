package redistest

import (
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
		buses[i] = strconv.Itoa(freePort(t))
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

// Owner returns the node that a slot belongs to in its own eyes, and another one.
func (c *Cluster) Owner(slot int) (owner, other *Server) {
	c.Nodes[0].t.Helper()
	for _, node := range c.Nodes {
		if owner == nil && node.owns(slot) {
			owner = node
		} else {
			other = node
		}
	}
	if owner == nil {
		c.Nodes[0].t.Fatalf("no node owns slot %d", slot)
	}
	return owner, other
}

func (s *Server) owns(slot int) bool {
	for line := range strings.Lines(s.Do("cluster", "nodes")) {
		f := strings.Fields(line)
		if len(f) < 8 || !strings.Contains(f[2], "myself") {
			continue
		}
		for _, r := range f[8:] {
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
	}
	return false
}

// Migrate moves a slot to another node key by key while both serve it, as redis-cli does.
func (c *Cluster) Migrate(slot int) {
	c.Nodes[0].t.Helper()
	from, to := c.Owner(slot)
	fromID, toID := from.Do("cluster", "myid"), to.Do("cluster", "myid")
	to.Do("cluster", "setslot", slot, "importing", fromID)
	from.Do("cluster", "setslot", slot, "migrating", toID)
	for {
		keys := from.Do("cluster", "getkeysinslot", slot, 1)
		if keys == "" {
			break
		}
		from.Do("migrate", "127.0.0.1", to.port, keys, 0, 5000)
	}
	to.Do("cluster", "setslot", slot, "node", toID)
	for _, node := range c.Nodes {
		if node != to {
			node.Do("cluster", "setslot", slot, "node", toID)
		}
	}
}
