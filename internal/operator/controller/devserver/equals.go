package devserver

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"sync"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"devserver.io/devserver/internal/objects"
)

// equals holds what many objects have in common: but for their nodes and volumes,
// the pods of one flavor and image do not differ, most homes are as large as
// others, and the objects of a box have the same labels. What is there once takes
// less memory, and less time to look for garbage. That is safe because nobody
// changes what is in the watch cache.
type equals struct {
	specs shared[[sha256.Size]byte, corev1.PodSpec]
	lists shared[[sha256.Size]byte, corev1.ResourceList]
	maps  shared[[sha256.Size]byte, map[string]string]
	words shared[string, string]
}

// shareMetadata gives labels, annotations and the like the memory of equal ones,
// and drops who set which field.
func (e *equals) shareMetadata(m *metav1.ObjectMeta) {
	m.ManagedFields = nil
	e.shareMap(&m.Labels)
	e.shareMap(&m.Annotations)
	e.shareWords(&m.Namespace)
	for i := range m.OwnerReferences {
		e.shareWords(&m.OwnerReferences[i].APIVersion, &m.OwnerReferences[i].Kind)
	}
}

// common are keys whose values many objects have.
var common = []string{objects.LabelManagedBy, objects.LabelName, objects.AnnotationOwner}

// shareMap does the same for labels. Those that no other object has share at
// least their words.
func (e *equals) shareMap(m *map[string]string) {
	if len(*m) == 0 {
		return
	}
	keys := make([]string, 0, 8)
	for key := range *m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	text := make([]byte, 0, 512)
	for _, key := range keys {
		for _, word := range []string{key, (*m)[key]} {
			text = append(binary.AppendUvarint(text, uint64(len(word))), word...)
		}
	}
	hash := sha256.Sum256(text)
	if known, is := e.maps.get(hash); is {
		*m = known
		return
	}
	// A map of its own: others may have this one already, and read it.
	own := make(map[string]string, len(*m))
	for key, value := range *m {
		e.shareWords(&key)
		if slices.Contains(common, key) {
			e.shareWords(&value)
		}
		own[key] = value
	}
	*m = e.maps.first(hash, own, maxWords)
}

// shareWords gives words the memory of equal ones.
func (e *equals) shareWords(words ...*string) {
	for _, word := range words {
		*word = e.words.first(*word, *word, maxWords)
	}
}

// shareList does the same for amounts. A map takes most of a kilobyte, however
// little is in it.
func (e *equals) shareList(list *corev1.ResourceList) {
	if len(*list) == 0 {
		return
	}
	var text []byte
	for _, name := range slices.Sorted(maps.Keys(*list)) {
		amount := (*list)[name]
		text = fmt.Appendf(text, "%s=%s,", name, amount.String())
	}
	*list = e.lists.first(sha256.Sum256(text), *list, maxSpecs)
}

// shared are values by what is in them.
type shared[K comparable, T any] struct {
	mu    sync.Mutex
	known map[K]T
}

// What is held for objects that may be gone is bounded: of specs and amounts there
// are few, and a spec is large; a thousand boxes have twice as many different labels.
const (
	maxSpecs = 256
	maxWords = 4096
)

// get returns the value that is known by the key, if one is.
func (s *shared[K, T]) get(key K) (value T, is bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	value, is = s.known[key]
	return value, is
}

// first returns the value that became known first by the key. No more than most
// are known at a time.
func (s *shared[K, T]) first(key K, value T, most int) T {
	s.mu.Lock()
	defer s.mu.Unlock()
	if known, is := s.known[key]; is {
		return known
	}
	if s.known == nil || len(s.known) >= most {
		s.known = map[K]T{}
	}
	s.known[key] = value
	return value
}
