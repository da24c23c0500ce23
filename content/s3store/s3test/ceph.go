package s3test

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// ServiceEnv chooses what Start starts: "ceph" is the object gateway of Ceph, over a
// cluster of one node that keeps its data in memory; versitygw else.
const ServiceEnv = "COVE_TEST_S3"

// cluster is the monitor and the storage daemon that the gateways of one process share. It
// ends with the last test that has a gateway.
type cluster struct {
	mu    sync.Mutex
	users int
	dir   string
	conf  string
	log   strings.Builder
	cmds  []*exec.Cmd
}

var shared cluster

// dataPool is where a gateway keeps the bytes of objects.
const dataPool = "default.rgw.buckets.data"

// settings make a cluster of one: no keys, one copy, no second node to wait for. Deleted
// bytes go after seconds, as what is kept in memory has to.
const settings = `[global]
fsid = %[1]s
mon_host = [v1:%[2]s]
public_addr = 127.0.0.1
cluster_addr = 127.0.0.1
ms_bind_msgr2 = false
auth_cluster_required = none
auth_service_required = none
auth_client_required = none
keyring = %[3]s/keyring
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 1
osd_pool_default_pg_autoscale_mode = off
osd_crush_chooseleaf_type = 0
osd_objectstore = memstore
memstore_device_bytes = 4294967296
mon_allow_pool_size_one = true
mon_max_pg_per_osd = 1000
mon_data_avail_crit = 1
mon_data_avail_warn = 2
mon_data = %[3]s/mon
osd_data = %[3]s/osd
admin_socket = %[3]s/$name.$pid.asok
log_file = %[3]s/$name.$pid.log
mon_cluster_log_file = %[3]s/cluster.log
crash_dir = %[3]s
rgw_gc_obj_min_wait = 5
rgw_gc_processor_period = 5
`

// startCeph gives s a gateway over the cluster, and returns the secret of its account.
func (s *Server) startCeph(t testing.TB) (secret string) {
	t.Helper()
	secret = rand.Text()
	account := "cove" + strings.ToLower(rand.Text())[:8]
	conf := shared.join(t, func(run func(program string, args ...string)) {
		run("radosgw-admin", "-n", "client.admin", "user", "create", "--uid", account, "--display-name", account,
			"--access-key", account, "--secret-key", secret)
	})
	s.binary, s.account, s.cephConf = "radosgw", account, conf
	s.args = []string{
		"-f", "-c", conf, "-n", "client.rgw", "--rgw-data", s.dir,
		"--rgw-frontends", fmt.Sprintf("beast ssl_endpoint=%s ssl_certificate=%s ssl_private_key=%s",
			strings.TrimPrefix(s.Endpoint, "https://"), s.CA, filepath.Join(s.dir, "key.pem")),
	}
	return secret
}

// join starts the cluster, unless it runs, has prepare use it, and returns its
// configuration. The test leaves it at its end.
func (c *cluster) join(t testing.TB, prepare func(run func(program string, args ...string))) string {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.users++; c.users == 1 {
		c.dir = folder(t)
	}
	t.Cleanup(func() { c.leave(t) })
	if len(c.cmds) == 0 {
		c.start(t)
	}
	prepare(func(program string, args ...string) { c.run(t, program, args...) })
	return c.conf
}

func (c *cluster) leave(t testing.TB) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.users--; c.users > 0 {
		return
	}
	for _, cmd := range c.cmds {
		_ = cmd.Process.Kill() // it is ours, and may have ended
		_ = cmd.Wait()
	}
	c.cmds = nil
	c.log.Reset()
	if err := os.RemoveAll(c.dir); err != nil {
		t.Error(err)
	}
}

func (c *cluster) start(t testing.TB) {
	t.Helper()
	monitor, name, id := free(t), uuid(), uuid()
	dir := filepath.Join(c.dir, name) // of this attempt
	for _, folder := range []string{dir, filepath.Join(dir, "mon"), filepath.Join(dir, "osd")} {
		if err := os.Mkdir(folder, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	c.conf = filepath.Join(dir, "ceph.conf")
	write(t, c.conf, fmt.Sprintf(settings, name, monitor, dir))
	write(t, filepath.Join(dir, "keyring"), "")
	first := filepath.Join(dir, "monmap")
	c.run(t, "monmaptool", "--create", "--fsid", name, "--addv", "a", "[v1:"+monitor+"]", first)
	c.run(t, "ceph-mon", "--mkfs", "-i", "a", "--monmap", first)
	c.daemon(t, "ceph-mon", "-i", "a")
	c.run(t, "ceph", "--connect-timeout", "60", "osd", "new", id)
	c.run(t, "ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", id)
	c.daemon(t, "ceph-osd", "-i", "0")
}

// run runs a program to its end.
func (c *cluster) run(t testing.TB, program string, args ...string) {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), 2*time.Minute)
	defer stop()
	cmd := exec.CommandContext(ctx, program, append([]string{"-c", c.conf}, args...)...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s%s", program, err, out, &c.log)
	}
}

func (c *cluster) daemon(t testing.TB, program string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(context.Background(), program, append([]string{"-f", "-c", c.conf}, args...)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	cmd.Stdout, cmd.Stderr = &c.log, &c.log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	c.cmds = append(c.cmds, cmd)
}

// damageInCeph changes a byte of the object that has the first bytes of one of the bucket.
func (s *Server) damageInCeph(t testing.TB, key string) {
	t.Helper()
	rados := func(args ...string) string {
		out, err := exec.CommandContext(t.Context(), "rados",
			append([]string{"-c", s.cephConf, "-n", "client.admin", "-p", dataPool}, args...)...).CombinedOutput()
		if err != nil {
			t.Fatalf("rados %v: %v\n%s", args, err, out)
		}
		return string(out)
	}
	// One that came in parts begins in that of the first, which has no name to find it by.
	for name := range strings.Lines(rados("ls")) {
		name = strings.TrimSuffix(name, "\n")
		if !strings.HasSuffix(name, "_"+key) {
			continue
		}
		bytes := filepath.Join(s.dir, "damaged")
		rados("get", name, bytes)
		b, err := os.ReadFile(bytes)
		if err != nil || len(b) == 0 {
			t.Fatalf("%s has %d bytes, %v", name, len(b), err)
		}
		b[0] ^= 0xff
		write(t, bytes, string(b[:1]))
		rados("put", name, bytes, "--offset", "0")
		return
	}
	t.Fatalf("the cluster has no %s", key)
}

// uuid is a random one (RFC 9562, version 4).
func uuid() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
