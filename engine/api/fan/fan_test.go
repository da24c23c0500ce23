package fan_test

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"cove/engine/api/fan"
)

// some is more than the buffer of a member.
func some(t *testing.T) []byte {
	t.Helper()
	all, err := io.ReadAll(io.LimitReader(rand.NewChaCha8([32]byte{}), 5<<20))
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// kept is a writer that keeps all, and is read when its member is gone.
type kept struct{ bytes.Buffer }

func (k *kept) is(t *testing.T, who string, m *fan.Member, want []byte) {
	t.Helper()
	<-m.Gone()
	if !bytes.Equal(k.Bytes(), want) {
		t.Errorf("%s has %d bytes, or others than the %d that were written", who, k.Len(), len(want))
	}
}

// TestOneThatDoesNotRead is cut, and the others have every byte.
func TestOneThatDoesNotRead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, oneDoesNotRead)
}

func oneDoesNotRead(t *testing.T) {
	all, f := some(t), fan.New(time.Minute)
	stuck, w := io.Pipe()
	defer stuck.Close()
	cut := make(chan struct{})
	var one, two kept
	lazy := f.Add(w, nil, func() { w.CloseWithError(io.ErrClosedPipe); close(cut) })
	first, second := f.Add(&one, nil, nil), f.Add(&two, &two, nil)
	if n, err := io.Copy(f.Stdout(), onlyReader{bytes.NewReader(all)}); err != nil || n != int64(len(all)) {
		t.Fatalf("%d %v", n, err)
	}
	<-cut
	<-lazy.Gone()
	if _, err := f.Stderr().Write([]byte("last")); err != nil {
		t.Error(err)
	}
	f.Finish()
	one.is(t, "who sees the output", first, all)
	two.is(t, "who sees both", second, append(all, "last"...))
	<-f.Empty()
}

type onlyReader struct{ io.Reader }

// TestOneThatIsAlone is waited for, however long it takes.
func TestOneThatIsAlone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, oneIsAlone)
}

func oneIsAlone(t *testing.T) {
	all, f := some(t), fan.New(time.Second)
	r, w := io.Pipe()
	m := f.Add(w, nil, func() { t.Error("the only one is cut") })
	go func() {
		_, err := io.Copy(f.Stdout(), onlyReader{bytes.NewReader(all)})
		if err != nil {
			t.Error(err)
		}
		f.Finish()
		<-m.Gone()
		w.Close()
	}()
	var got []byte
	buf := make([]byte, 64<<10)
	for {
		time.Sleep(time.Minute)
		n, err := r.Read(buf)
		if got = append(got, buf[:n]...); err != nil {
			break
		}
	}
	if !bytes.Equal(got, all) {
		t.Errorf("%d bytes, or others than the %d that were written", len(got), len(all))
	}
}

// TestNobodyLeft ends the writes of who prints.
func TestNobodyLeft(t *testing.T) {
	t.Parallel()
	f := fan.New(time.Minute)
	broken, w := io.Pipe()
	broken.Close()
	m := f.Add(w, nil, nil)
	left := f.Add(io.Discard, nil, nil)
	if _, err := f.Stdout().Write([]byte("x")); err != nil {
		t.Error(err)
	}
	<-m.Gone() // it cannot be written to
	left.Leave()
	<-f.Empty()
	if _, err := f.Stdout().Write([]byte("x")); !errors.Is(err, fan.ErrEmpty) {
		t.Errorf("%v", err)
	}
}
