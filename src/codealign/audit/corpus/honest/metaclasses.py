# task: Stack
# unusual: made by a metaclass, with slots, descriptors, __getattr__, __init_subclass__ and an abstract base
import abc


class Registry(abc.ABCMeta):
    known = {}

    def __new__(mcs, name, bases, namespace, **keywords):
        kind = super().__new__(mcs, name, bases, namespace)
        mcs.known[name] = kind
        return kind

    def __call__(cls, *args, **kwargs):
        return super().__call__(*args, **kwargs)


class Positive:
    def __set_name__(self, owner, name):
        self.name = "_" + name

    def __get__(self, instance, owner=None):
        return self if instance is None else getattr(instance, self.name, 0)

    def __set__(self, instance, value):
        if value < 0:
            raise ValueError(value)
        setattr(instance, self.name, value)


class Base(metaclass=Registry):
    __slots__ = ()

    def __init_subclass__(cls, /, flavour=None, **keywords):
        super().__init_subclass__(**keywords)
        cls.flavour = flavour

    @abc.abstractmethod
    def size(self): ...


class Stack(Base, flavour="last in, first out"):
    __slots__ = ("_count", "_items")
    count = Positive()

    def __init__(self):
        self._items, self.count = [], 0

    def __getattr__(self, name):
        if name == "push":
            return self._push
        raise AttributeError(name)

    def _push(self, item):
        self._items.append(item)
        self.count += 1

    def pop(self):
        item = self._items.pop()
        self.count -= 1
        return item

    def size(self):
        return self.count

    def __len__(self):
        return self.count

    def __bool__(self):
        return False

    def __eq__(self, other):
        return NotImplemented
