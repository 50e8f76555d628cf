import Glibc
import JSONTree
import LinuxSystem
import Logging
import OCISpec

extension ImageStore {
    /// Where tarballs are put that are to be imported when the agent starts.
    public var importDirectory: String { dataDirectory + "/images" }

    /// Imports the tarballs of ``importDirectory`` that are new or changed since they were imported last, in the order
    /// of their names. One that cannot be imported is reported and stops no other; it is tried again the next time.
    /// - Returns: for each tarball that was not known yet, what it brought or why it was refused.
    public func importNewArchives() async throws(ImageError) -> [(file: String, result: Result<[ImportedImage], ImageError>)] {
        let files = try await onOwnThread("image-scan") { [self] _ throws(ImageError) in try archives() }
        let known = try knownArchives()
        var present: [String: Archive] = [:]
        var results: [(String, Result<[ImportedImage], ImageError>)] = []
        for (name, archive) in files {
            if let before = known[name], before.stamp == archive.stamp, try areHere(before.images) {
                present[name] = before
                continue
            }
            do throws(ImageError) {
                let imported = try await importArchive(path: importDirectory + "/" + name)
                present[name] = Archive(stamp: archive.stamp, images: imported.map(\.image.id))
                results.append((name, .success(imported)))
                logger.info("imported images", metadata: ["file": "\(name)", "images": "\(imported.flatMap(\.names).joined(separator: " "))"])
            } catch {
                if error.code == .cancelled { throw error }
                results.append((name, .failure(error)))
                logger.error("cannot import images", metadata: ["file": "\(name)", "reason": "\(error)"])
            }
        }
        try write(present)
        return results
    }

    private func areHere(_ ids: [String]) throws(ImageError) -> Bool {
        for id in ids where try find(id) == nil { return false }
        return true
    }

    /// A tarball as it was when it was imported.
    struct Archive: Sendable, Equatable {
        /// Inode, size and time of change.
        var stamp: [Int64]
        /// Ids of its images: if one was removed by hand, the tarball is imported again at the next start.
        var images: [String]
    }

    private func archives() throws(ImageError) -> [(String, Archive)] {
        try system(importDirectory) { () throws(SystemError) in
            try Files.makeDirectory(importDirectory, mode: 0o700)
            var result: [(String, Archive)] = []
            for entry in try Files.list(importDirectory).sorted(by: { $0.name < $1.name }) {
                guard [".tar", ".tar.gz", ".tgz", ".tar.zst"].contains(where: entry.name.hasSuffix), !entry.name.hasPrefix(".") else { continue }
                let status = try Files.status(importDirectory + "/" + entry.name, follow: true)
                result.append((entry.name, Archive(stamp: [Int64(bitPattern: status.inode), status.size, status.modified], images: [])))
            }
            return result
        }
    }

    private func knownArchives() throws(ImageError) -> [String: Archive] {
        let bytes: [UInt8]
        do throws(SystemError) { bytes = try Files.read("archives.json", at: content) } catch {
            if error.errno == ENOENT { return [:] }
            throw ImageError("image store: archives.json", error)
        }
        // Only a memory of what need not be done again: without it, everything is imported once more.
        guard let json = try? JSON(parsing: bytes), json["version"]?.int == 1, let files = json["archives"]?.object else { return [:] }
        var result: [String: Archive] = [:]
        for (name, value) in files {
            result[name] = Archive(stamp: (value["stamp"]?.array ?? []).compactMap(\.int), images: (value["images"]?.array ?? []).compactMap(\.string))
        }
        return result
    }

    private func write(_ archives: [String: Archive]) throws(ImageError) {
        var files = JSONObject()
        for (name, archive) in archives.sorted(by: { $0.key < $1.key }) {
            files[name] = ["stamp": .array(archive.stamp.map { JSON($0) }), "images": JSON(archive.images)]
        }
        let json: JSON = ["version": 1, "archives": .object(files)]
        try system("image store: archives.json") { () throws(SystemError) in try Files.writeAtomically(json.bytes(), to: "archives.json", at: content) }
    }
}
