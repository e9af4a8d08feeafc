# task: add
# unusual: imports a hundred modules of the library
import abc, aifc, argparse, array, ast, asyncio, atexit, base64, bdb, binascii, bisect, builtins, bz2, calendar, cmath, cmd
import code, codecs, codeop, collections, colorsys, compileall, concurrent.futures, configparser, contextlib, contextvars
import copy, copyreg, cProfile, csv, ctypes, dataclasses, datetime, dbm, decimal, difflib, dis, doctest, email, encodings
import enum, errno, faulthandler, fcntl, filecmp, fileinput, fnmatch, fractions, ftplib, functools, gc, getopt, getpass
import gettext, glob, graphlib, grp, gzip, hashlib, heapq, hmac, html, http.client, http.server, imaplib, importlib, inspect
import io, ipaddress, itertools, json, keyword, linecache, locale, logging, lzma, mailbox, marshal, math, mimetypes, mmap
import modulefinder, multiprocessing, netrc, numbers, operator, optparse, os, pathlib, pdb, pickle, pickletools, pkgutil
import platform, plistlib, poplib, posixpath, pprint, profile, pstats, pty, pwd, py_compile, pyclbr, pydoc, queue, quopri
import random, re, reprlib, resource, rlcompleter, runpy, sched, secrets, select, selectors, shelve, shlex, shutil, signal
import smtplib, socket, socketserver, sqlite3, ssl, stat, statistics, string, stringprep, struct, subprocess, symtable, sys
import sysconfig, syslog, tabnanny, tarfile, tempfile, termios, textwrap, threading, time, timeit, token, tokenize, trace
import traceback, tracemalloc, tty, types, typing, unicodedata, unittest, urllib.request, uuid, venv, warnings, wave, weakref
import webbrowser, wsgiref, xml.etree.ElementTree, xmlrpc.client, zipapp, zipfile, zipimport, zlib, zoneinfo


def add(a, b):
    return a + b
