import Foundation
import Storage
import Synchronization
import Testing

/// The implementations that must keep the contract.
enum Implementation: String, CaseIterable, Sendable, CustomTestStringConvertible {
    case sqliteFile, sqliteMemory

    var testDescription: String { rawValue }

    /// A fresh store, closed and removed afterwards.
    func with<T>(now: @escaping @Sendable () -> Int64 = SQLiteStorage.systemTime, _ body: (any Storage) async throws -> T) async throws -> T {
        switch self {
        case .sqliteMemory:
            let storage = try SQLiteStorage.inMemory(now: now)
            let result = try await body(storage)
            await storage.close()
            return result
        case .sqliteFile:
            return try await withDirectory { directory in
                let storage = try SQLiteStorage.open(directory: directory, now: now)
                let result = try await body(storage)
                await storage.close()
                return result
            }
        }
    }
}

func withDirectory<T>(_ body: (String) async throws -> T) async throws -> T {
    let directory = FileManager.default.temporaryDirectory.appendingPathComponent("storage-\(UUID().uuidString)").path
    try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: directory) }
    return try await body(directory)
}

extension String {
    var bytes: [UInt8] { Array(utf8) }
}

extension KeyValue {
    var text: String { String(decoding: value, as: UTF8.self) }
}

extension StorageEvent {
    /// `+` created, `~` updated, `-` deleted, with the value before and after.
    var short: String {
        switch (previous, current) {
        case (nil, let current?): "+\(key)=\(current.text)@\(revision)"
        case (let previous?, let current?): "~\(key)=\(previous.text)>\(current.text)@\(revision)"
        case (let previous?, nil): "-\(key)=\(previous.text)@\(revision)"
        case (nil, nil): "?\(key)@\(revision)"
        }
    }
}

/// Runs a closure that must throw a storage error and returns it.
func storageError(_ body: () async throws(StorageError) -> some Any) async -> StorageError? {
    do throws(StorageError) {
        _ = try await body()
        return nil
    } catch {
        return error
    }
}

/// Reads so many events from a watch.
func take(_ count: Int, _ stream: WatchStream) async throws -> [String] {
    var result: [String] = []
    for try await (events, _) in stream {
        result += events.map(\.short)
        if result.count >= count { break }
    }
    return result
}
