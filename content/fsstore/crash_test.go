package fsstore

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sys/unix"

	"cove/content"
	"cove/content/contenttest"
)

// crashChild tells the test binary to be the process that is killed.
const crashChild = "COVE_FSSTORE_CRASH"

func TestMain(m *testing.M) {
	if root := os.Getenv(leaseChild); root != "" {
		if err := runLeaseChild(root); err != nil {
			fmt.Fprintln(os.Stderr, "child:", err)
			os.Exit(3)
		}
	}
	if plan := os.Getenv(crashChild); plan != "" {
		if err := runCrashChild(plan); err != nil {
			fmt.Fprintln(os.Stderr, "child:", err)
			os.Exit(3)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// leaseChild tells it to hold a lease until it is killed.
const leaseChild = "COVE_FSSTORE_LEASE"

func runLeaseChild(root string) error {
	s, err := Open(root, Options{})
	if err != nil {
		return err
	}
	if _, err := s.Lease(context.Background(), "held"); err != nil {
		return err
	}
	fmt.Println("leased")
	select {}
}

// TestKillReleasesLease: another process sees a lease as long as its holder
// lives, and a kill ends it.
func TestKillReleasesLease(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	s := open(t, root, Options{})
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), leaseChild+"="+root)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "leased\n" {
		t.Fatalf("child said %q, %v", line, err)
	}
	count := func() (n int) {
		for ref, err := range s.Leased(t.Context()) {
			if err != nil || ref != "held" {
				t.Errorf("leased %q, %v", ref, err)
			}
			n++
		}
		return n
	}
	if n := count(); n != 1 {
		t.Errorf("%d leases while the holder lives", n)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	if n := count(); n != 0 {
		t.Errorf("%d leases after the holder was killed", n)
	}
}

// crashPlan is when a child dies: at the Nth time that it comes to Step, or
// whenever the parent pleases when Step is "".
type crashPlan struct {
	Root  string
	First uint64 // number of the first blob it writes
	Step  Step
	Nth   int
}

func runCrashChild(plan string) error {
	var p crashPlan
	if err := json.Unmarshal([]byte(plan), &p); err != nil {
		return err
	}
	seen := 0
	s, err := Open(p.Root, Options{Fault: func(step Step) error {
		if step == p.Step {
			if seen++; seen == p.Nth {
				_ = unix.Kill(os.Getpid(), unix.SIGKILL)
				select {}
			}
		}
		return nil
	}})
	if err != nil {
		return err
	}
	s.checkpoint = 40_000
	for n := p.First; n < p.First+40; n++ {
		if err := crashWrite(s, n); err != nil {
			return fmt.Errorf("blob %d: %w", n, err)
		}
		// One write call: the parent reads whole lines, or none.
		if _, err := fmt.Fprintf(os.Stdout, "ack %d\n", n); err != nil {
			return err
		}
	}
	return nil
}

func crashBlob(n uint64) []byte { return contenttest.Bytes(n, int(n%7)*30_000+int(n%3)) }

// crashWrite writes blob n in pieces, closing and resuming on the way, and
// checks that what it resumes is the beginning of that blob.
func crashWrite(s *Store, n uint64) error {
	b := crashBlob(n)
	id := fmt.Sprint("crash/", n)
	for {
		w, err := s.Begin(context.Background(), id)
		if err != nil {
			return err
		}
		at := int(w.Offset())
		if at > len(b) || w.Digest() != digest.FromBytes(b[:at]) {
			return fmt.Errorf("resumed at %d of %d with a wrong hash", at, len(b))
		}
		if at == len(b) {
			desc := ocispec.Descriptor{Digest: digest.FromBytes(b), Size: int64(len(b))}
			if n%5 == 0 {
				desc.Digest = digest.SHA512.FromBytes(b)
			}
			return errors.Join(w.Commit(context.Background(), desc), w.Close())
		}
		end := min(len(b), at+70_000)
		for ; at < end; at += min(9_000, end-at) {
			if _, err := w.Write(b[at : at+min(9_000, end-at)]); err != nil {
				return errors.Join(err, w.Close())
			}
		}
		if err := w.Close(); err != nil {
			return err
		}
	}
}

// steps lists every Step.
func steps() []Step {
	return []Step{
		StepCreate, StepWrite, StepStateSync, StepStateWrite, StepStateRename,
		StepSync, StepMkdir, StepRename, StepSyncDir, StepCleanup,
	}
}

// TestKill kills a writer at every step of a write, and at random moments, and
// checks after each that all it acknowledged is there, that nothing else is but
// whole blobs, and that the next process goes on where it stopped.
func TestKill(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	var next uint64 = 1
	kills, acked := 0, map[uint64]bool{}
	run := func(p crashPlan, after time.Duration) {
		p.Root, p.First = root, next
		killed, acks := crash(t, p, after)
		if killed {
			kills++
		}
		for _, n := range acks {
			acked[n] = true
			next = n + 1
		}
		verifyCrash(t, root, acked)
	}
	for _, step := range steps() {
		for _, nth := range []int{1, 2, 5} {
			run(crashPlan{Step: step, Nth: nth}, 0)
		}
	}
	r := rand.New(rand.NewPCG(1, 2))
	for range 15 {
		run(crashPlan{}, time.Duration(5+r.IntN(60))*time.Millisecond)
	}
	t.Logf("%d kills, %d acknowledged, 0 lost", kills, len(acked))
	if kills < 30 || len(acked) < 40 {
		t.Errorf("%d kills and %d acknowledgements prove little", kills, len(acked))
	}
}

func crash(t *testing.T, p crashPlan, after time.Duration) (killed bool, acks []uint64) {
	t.Helper()
	plan, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), crashChild+"="+string(plan))
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if after > 0 {
		timer := time.AfterFunc(after, func() { _ = cmd.Process.Kill() })
		defer timer.Stop()
	}
	for lines := bufio.NewScanner(out); lines.Scan(); {
		var n uint64
		if _, err := fmt.Sscanf(lines.Text(), "ack %d", &n); err != nil {
			t.Fatalf("child said %q", lines.Text())
		}
		acks = append(acks, n)
	}
	err = cmd.Wait()
	var exit *exec.ExitError
	if err != nil && (!errors.As(err, &exit) || exit.ExitCode() != -1) {
		t.Fatalf("plan %s: child: %v", plan, err)
	}
	return err != nil, acks
}

func verifyCrash(t *testing.T, root string, acked map[uint64]bool) {
	t.Helper()
	s := open(t, root, Options{})
	stored := map[digest.Digest]bool{}
	for info, err := range s.All(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		r, err := s.Open(t.Context(), ocispec.Descriptor{Digest: info.Digest})
		if err != nil {
			t.Fatal(err)
		}
		_, err = io.Copy(io.Discard, content.Verify(content.NewReader(r), ocispec.Descriptor{Digest: info.Digest, Size: info.Size}))
		if err := errors.Join(err, r.Close()); err != nil {
			t.Fatalf("a blob that is visible is not whole: %v", err)
		}
		stored[info.Digest] = true
	}
	for n := range acked {
		alg := digest.SHA256
		if n%5 == 0 {
			alg = digest.SHA512
		}
		if !stored[alg.FromBytes(crashBlob(n))] {
			t.Fatalf("blob %d was acknowledged and is lost", n)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestFaults fails every step of a write with EIO and ENOSPC, first on its
// first occurrence and then on a later one.
func TestFaults(t *testing.T) {
	t.Parallel()
	cases, acked := 0, 0
	for _, step := range steps() {
		for _, errno := range []unix.Errno{unix.EIO, unix.ENOSPC, unix.EDQUOT} {
			for nth := 1; nth <= 2; nth++ {
				cases++
				if faultCase(t, step, errno, nth) {
					acked++
				}
			}
		}
	}
	t.Logf("%d faults, %d acknowledged in spite of them, 0 lost", cases, acked)
}

// faultCase writes one blob with a fault in the way, then without, and reports
// whether the faulty write was acknowledged.
func faultCase(t *testing.T, step Step, errno unix.Errno, nth int) bool {
	t.Helper()
	seen, fired := 0, false
	s := open(t, t.TempDir(), Options{Fault: func(at Step) error {
		if at == step && !fired {
			if seen++; seen == nth {
				fired = true
				return errno
			}
		}
		return nil
	}})
	s.checkpoint = 40_000
	const n = 6*7*5 + 5 // a sha512 blob of several checkpoints
	desc := ocispec.Descriptor{Digest: digest.SHA512.FromBytes(crashBlob(n))}
	err := crashWrite(s, n)
	if err != nil {
		checkFault(t, s, step, errno, err, desc.Digest)
		if err := crashWrite(s, n); err != nil {
			t.Fatalf("%s, %v, %d: the next try: %v", step, errno, nth, err)
		}
	}
	if _, readErr := content.ReadBlob(t.Context(), s, desc); readErr != nil {
		t.Fatalf("%s, %v, %d: acknowledged and lost: %v", step, errno, nth, readErr)
	}
	return err == nil && fired
}

func checkFault(t *testing.T, s *Store, step Step, errno unix.Errno, err error, dgst digest.Digest) {
	t.Helper()
	if !errors.Is(err, errno) {
		t.Fatalf("%s: %v became %v", step, errno, err)
	}
	if full := errno != unix.EIO; full != strings.Contains(err.Error(), "the disk is full") || full != isExhausted(err) {
		t.Fatalf("%s: %v is told as %v", step, errno, err)
	}
	_, statErr := s.Stat(t.Context(), dgst)
	// Once renamed the blob is whole and may stay, unacknowledged.
	if visible := statErr == nil; visible && step != StepSyncDir {
		t.Fatalf("%s: a blob is there after %v", step, err)
	}
}
