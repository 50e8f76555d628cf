import Glibc

/// A ring of buffers between one thread that fills them and two that read each of them: hashing and extracting
/// overlap with reading and inflating, and memory stays at a few megabytes whatever the layer's size.
///
/// Filled and read slots are counted up; slot `n` lives at `n % slots`. The producer waits while the slower reader is a
/// whole ring behind. Any side may fail: then everybody is woken and stops.
///
/// `@unchecked Sendable`: every member below the mutex is touched only while it is held; a buffer belongs to the
/// producer until it is published and to the readers until both have passed it.
final class ChunkRing: @unchecked Sendable {
    enum Reader: Int { case hasher, extractor }
    enum Side { case producer, extractor }

    static let chunkSize = 256 << 10
    private static let slots = 8

    private let memory: UnsafeMutableRawBufferPointer
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let changed = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    private var counts = [Int](repeating: 0, count: slots)
    private var published = 0
    private var passed = [0, 0]
    private var isFinished = false
    private var failure: Side?

    init() {
        memory = .allocate(byteCount: ChunkRing.chunkSize * ChunkRing.slots, alignment: 4096)
        pthread_mutex_init(mutex, nil)
        pthread_cond_init(changed, nil)
    }

    deinit {
        pthread_mutex_destroy(mutex)
        pthread_cond_destroy(changed)
        mutex.deallocate()
        changed.deallocate()
        memory.deallocate()
    }

    private func locked<T>(_ body: () -> T) -> T {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        return body()
    }

    private func slot(_ number: Int) -> UnsafeMutableRawBufferPointer {
        let start = number % ChunkRing.slots * ChunkRing.chunkSize
        return UnsafeMutableRawBufferPointer(rebasing: memory[start ..< start + ChunkRing.chunkSize])
    }

    /// The next buffer to fill; nil if a reader failed.
    func vacant() -> UnsafeMutableRawBufferPointer? {
        locked {
            while failure == nil, published - min(passed[0], passed[1]) >= ChunkRing.slots { pthread_cond_wait(changed, mutex) }
            return failure != nil ? nil : slot(published)
        }
    }

    /// Hands over the buffer that ``vacant()`` gave.
    func publish(_ count: Int) {
        locked {
            counts[published % ChunkRing.slots] = count
            published += 1
            pthread_cond_broadcast(changed)
        }
    }

    /// No more buffers will come.
    func finish() {
        locked {
            isFinished = true
            pthread_cond_broadcast(changed)
        }
    }

    /// Who failed first; what the others report after that is only a consequence.
    var firstFailure: Side? { locked { failure } }

    /// Stops everybody.
    func fail(_ side: Side) {
        locked {
            if failure == nil { failure = side }
            pthread_cond_broadcast(changed)
        }
    }

    /// The buffer with the given number; empty after the last one, nil if somebody failed.
    func read(_ number: Int) -> UnsafeRawBufferPointer? {
        locked {
            while failure == nil, !isFinished, number >= published { pthread_cond_wait(changed, mutex) }
            if failure != nil { return nil }
            if number >= published { return UnsafeRawBufferPointer(start: nil, count: 0) }
            return UnsafeRawBufferPointer(rebasing: slot(number)[..<counts[number % ChunkRing.slots]])
        }
    }

    /// The reader needs no buffer below `number` any more; `Int.max` when it needs none at all.
    func pass(_ reader: Reader, below number: Int) {
        locked {
            passed[reader.rawValue] = number
            pthread_cond_broadcast(changed)
        }
    }
}
